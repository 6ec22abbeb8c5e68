"""Numbers side by side are a list of them, in memory and in the document."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from authsvc.model import NO_NUMBERS, Account, AccountId, numbers_of
from authsvc.model.documents import account_of, document_of

NUMBER = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 1, 256, 1 << 32, -1]))
LISTS = st.lists(NUMBER, max_size=8)


@given(LISTS, NUMBER)
@example([1 << 32, 1], 1 << 32 | 1)
@example([0x0100000000000000, 0], 1)
def test_as_a_list(plain: list[int], number: int) -> None:
    """Bytes that are the end of one number and the beginning of the next are no number of it."""
    kept = numbers_of(plain)
    assert (list(kept), len(kept), [kept[place] for place in range(len(plain))]) == (plain, len(plain), plain)
    assert (number in kept) == (number in plain)
    assert all(each in kept for each in plain)
    assert (kept == numbers_of(plain), kept == tuple(plain), hash(kept)) == (True, True, hash(numbers_of(plain)))
    assert kept != numbers_of([*plain, number])
    assert repr(kept) == f"Numbers{tuple(plain)}"


@given(LISTS, NUMBER, st.integers(0, 9))
def test_one_comes_and_others_leave(plain: list[int], number: int, forget: int) -> None:
    kept = numbers_of(plain)
    assert list(kept.after(forget, number)) == [*plain[forget:], number]
    left = sorted(plain)
    if number in left:
        left.remove(number)
    assert sorted(kept.without(number)) == left
    if plain:
        assert kept.least() == min(plain)
        assert len(kept.without(plain[0])) == len(plain) - 1


def test_the_least_of_none() -> None:
    with pytest.raises(ValueError, match="empty"):
        NO_NUMBERS.least()


@pytest.mark.parametrize("place", [-1, 2])
def test_a_place_that_is_not_there(place: int) -> None:
    with pytest.raises(IndexError):
        numbers_of([1, 2])[place]


@pytest.mark.parametrize("wrong", [[1.5], ["1"], [None], [2**63], [-(2**63) - 1]])
def test_what_is_no_number(wrong: list[object]) -> None:
    with pytest.raises(ValueError, match="expected whole numbers of 64 bits"):
        numbers_of(wrong)  # type: ignore[arg-type]
    with pytest.raises(msgspec.DecodeError):
        account_of(b'{"id":"a","recent_keys":' + msgspec.json.encode(wrong) + b"}")


@given(LISTS)
def test_in_the_document(plain: list[int]) -> None:
    """An array as it has always been; none where there is nothing to say."""
    account = replace(Account(AccountId("a")), recent_keys=numbers_of(plain), recent_at=numbers_of(plain))
    document = document_of(account)
    assert account_of(document) == account
    assert msgspec.json.decode(document) == {"id": "a"} | ({"recent_keys": plain, "recent_at": plain} if plain else {})
