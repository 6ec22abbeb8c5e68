"""DE54: groups of amounts, unknown types among them kept."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec import amounts
from authsvc.codec.amounts import AdditionalAmount
from authsvc.codec.misfit import MisfitError
from authsvc.model import Minor


def letters_or_digits(size: int) -> st.SearchStrategy[str]:
    return st.text(string.ascii_letters + string.digits, min_size=size, max_size=size)


AMOUNTS = st.builds(
    AdditionalAmount,
    letters_or_digits(2),
    letters_or_digits(2),
    letters_or_digits(3),
    st.integers(0, 10**12 - 1).map(Minor),
    st.booleans(),
)


@given(st.lists(AMOUNTS, max_size=6))
def test_what_is_built_is_parsed(groups: list[AdditionalAmount]) -> None:
    """Any types, known or not, in their order; a debit of nothing stays one."""
    assert list(amounts.parse(amounts.build(groups))) == groups


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("", 0),
        ("0040985D000000002000", 20_00),
        ("0002985C000000009900", 0),
        ("0002985C0000000099000040985D000000002000", 20_00),
    ],
)
def test_cashback(text: str, then: int) -> None:
    """The group of type 40, wherever it stands."""
    assert amounts.cashback(text) == then


@pytest.mark.parametrize(
    ("text", "offset", "expected", "found"),
    [
        ("0040985D00000000200", 0, "a group of 20 characters", "19"),
        ("0002985C0000000099000040", 20, "a group of 20 characters", "4"),
        ("0002985C000000009900" + "0040985X000000002000", 27, "C or D", '"A"'),
        ("0040985D0000000020-0", 8, "an amount of 12 digits", '"9999999999?9"'),
        ("00 0985D000000002000", 0, "account type 2, amount type 2, currency 3, of letters and digits", '"99 9999"'),
    ],
)
def test_what_is_no_list_of_groups_is_refused(text: str, offset: int, expected: str, found: str) -> None:
    """Every group is looked at, not only those that are used."""
    with pytest.raises(MisfitError) as caught:
        amounts.cashback(text)
    error = caught.value
    assert (error.field, error.offset, error.expected, error.found) == ("DE54", offset, expected, found)
