"""DE90 and DE95: which message a reversal means, and what is left of it."""

from __future__ import annotations

import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec import originals
from authsvc.codec.misfit import MisfitError
from authsvc.codec.originals import OriginalData, Replacement
from authsvc.model import Minor


def text(alphabet: str, size: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=size, max_size=size)


@given(st.builds(OriginalData, *(text(string.digits, size) for size in (4, 6, 10, 11, 11))))
def test_an_original_that_is_built_is_parsed(original: OriginalData) -> None:
    """Zeros in front of an acquirer are kept."""
    assert originals.parse_original(originals.build_original(original)) == original


AMOUNTS = st.builds(
    Replacement, st.integers(0, 10**12 - 1).map(Minor), *(text("0123456789CD ", size) for size in (12, 9, 9))
)


@given(AMOUNTS)
def test_a_replacement_that_is_built_is_parsed(replacement: Replacement) -> None:
    """Amounts that are not used, in zeros or blanks, stay as they are."""
    assert originals.parse_replacement(originals.build_replacement(replacement)) == replacement


def test_the_parts_of_an_original() -> None:
    """Where the standard has them."""
    then = OriginalData("0100", "000001", "0615100000", "00000123456", "00000000000")
    assert originals.parse_original("0100" + "000001" + "0615100000" + "00000123456" + "0" * 11) == then


@pytest.mark.parametrize(
    ("parse", "value", "error"),
    [
        (originals.parse_original, "0100", "DE90: at character 4: expected 42 digits, found 4"),
        (originals.parse_original, "0" * 43, "DE90: at character 42: expected 42 digits, found 43"),
        (originals.parse_original, "0" * 20 + "x" + "0" * 21, 'DE90: at character 20: expected a digit, found "a"'),
        (originals.parse_replacement, "0" * 12, "DE95: at character 12: expected 42 characters, found 12"),
        (
            originals.parse_replacement,
            "00000000 100" + " " * 30,
            'DE95: at character 0: expected an amount of 12 digits, found "99999999 999"',
        ),
    ],
)
def test_what_is_made_otherwise_is_refused(parse: Callable[[str], object], value: str, error: str) -> None:
    with pytest.raises(MisfitError) as caught:
        parse(value)
    assert str(caught.value) == error
