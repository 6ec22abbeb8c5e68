"""Card numbers: check digit and mask."""

from __future__ import annotations

import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec.pan import PanDisplay, holds_pan, luhn_ok, mask, with_check_digit, without_pans


@pytest.mark.parametrize(
    ("pan", "good"),
    [
        ("4111111111111111", True),
        ("5555555555554444", True),
        ("378282246310005", True),
        ("4111111111111112", False),
        ("1411111111111111", False),
        ("", False),
        ("18", False),
        ("411111111111111x", False),
        ("٤111111111111111", False),
    ],
)
def test_luhn(pan: str, good: bool) -> None:
    """The public test numbers of the schemes are good, and no typing error of one digit is."""
    assert luhn_ok(pan) is good


@given(st.text(string.digits, min_size=11, max_size=18))
def test_a_check_digit_makes_any_number_good(partial: str) -> None:
    """And only one digit does."""
    assert [last for last in string.digits if luhn_ok(partial + last)] == [with_check_digit(partial)[-1]]


@pytest.mark.parametrize(
    ("pan", "shown"),
    [
        ("4111111111111111", "411111******1111"),
        ("378282246310005", "378282*****0005"),
        ("411111111111", "411111**1111"),
        ("41111111", "********"),
        ("", ""),
    ],
)
def test_mask(pan: str, shown: str) -> None:
    """Never more than the first six and the last four."""
    assert mask(pan) == shown


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("my card 4111111111111111 please", "my card 411111******1111 please"),
        ("4111 1111 1111 1111", "4111 11** **** 1111"),
        ("4111-1111-1111-1111", "4111-11**-****-1111"),
        ("invoice 4111111111111112", "invoice 4111111111111112"),  # its last digit is no check digit
        ("2026-11-21 10:00", "2026-11-21 10:00"),
        ("PL61109010140000071219812874", "PL61109010140000071219812874"),  # an IBAN has 26 digits
        ("4222222222222", "422222***2222"),
        ("", ""),
    ],
)
def test_a_card_number_in_free_text_is_masked(text: str, then: str) -> None:
    """Typed together or in groups; other numbers stay."""
    assert without_pans(text) == then


def test_to_a_person_every_long_number_is_masked() -> None:
    """Where fields have slipped, a PAN has other digits beside it, and its check digit is not the last one."""
    assert PanDisplay.MASKED.text("164111111111111111") == "164111********1111"
    assert PanDisplay.CLEAR.text("164111111111111111") == "164111111111111111"
    assert PanDisplay.MASKED.text("MERCHANT0000001") == "MERCHANT0000001"


@pytest.mark.parametrize(
    ("key", "then"),
    [
        ("4111111111111111", True),
        ("load-4111111111111111", True),
        ("load:4111111111111111/2", True),
        ("4111111111111112", False),
        ("1795255200002", False),  # milliseconds since 1970, and a check digit that is right
        ("f4222222222222", False),  # a word of its own it is not
        ("8f14e45f-ceea-467f-a0ef-411111111111", False),
        ("", False),
    ],
)
def test_a_key_that_holds_a_card_number(key: str, then: bool) -> None:
    """Keys cannot be masked; so what is refused must be a card number and nothing else."""
    assert holds_pan(key) is then


@given(st.uuids())
def test_no_uuid_holds_a_card_number(key: uuid.UUID) -> None:
    """The keys that programs make."""
    assert not holds_pan(str(key))
