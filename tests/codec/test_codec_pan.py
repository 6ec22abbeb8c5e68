"""Card numbers: check digit and mask."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec.pan import luhn_ok, mask, with_check_digit


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
