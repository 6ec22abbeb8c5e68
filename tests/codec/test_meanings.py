"""Codes in words: money with the decimals of its currency, countries, dates."""

from __future__ import annotations

import pytest

from authsvc.codec import meanings
from authsvc.codec.field_meanings import meaning_of


@pytest.mark.parametrize(
    ("digits", "code", "then"),
    [
        ("000000001234", "985", "12.34 PLN"),
        ("000000001234", "392", "1234 JPY"),
        ("000000001234", "414", "1.234 KWD"),
        ("000000000005", "978", "0.05 EUR"),
        ("000000001234", "000", ""),
        ("000000001234", "", ""),
        ("00000000123x", "985", ""),
    ],
)
def test_amount(digits: str, code: str, then: str) -> None:
    """Minor units are not always hundredths (ISO 4217)."""
    assert meanings.amount(digits, code) == then


@pytest.mark.parametrize(
    ("field", "value", "then"),
    [
        ("3", "092000", "purchase with cashback, from current account"),
        ("3", "400010", "transfer, to savings account"),
        ("3", "770000", "unknown kind"),
        ("3", "307700", "available funds inquiry, from account type 77"),
        ("6", "000000000100", "1.00 EUR"),
        ("12", "235959", "23:59:59"),
        ("13", "0229", "29 February"),
        ("14", "9912", "December 2099"),
        ("18", "7995", "gambling"),
        ("18", "0000", ""),
        ("19", "276", "Germany"),
        ("19", "999", ""),
        ("22", "812", "e-commerce; terminal cannot take a PIN"),
        ("22", "990", "unknown mode"),
        ("39", "51", "insufficient funds"),
        ("49", "978", "EUR, Euro"),
        ("70", "301", "echo"),
        ("41", "TERM0001", ""),
    ],
)
def test_meaning_of_a_field(field: str, value: str, then: str) -> None:
    assert meaning_of(field, value, {"51": "978"}) == then
