"""Accounts at hand: the newest only, as they are or as documents, bounded by the bytes of those."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.model import Account, AccountId, Head
from authsvc.state.recent import READY_PART, RecentHeads

SIZE = 100
NAMES = "abcdefgh"


def head(name: str, seq: int = 1, size: int = SIZE) -> Head:
    """Of an account whose document has `size` bytes."""
    bare = len(msgspec.json.encode(Account(AccountId(name), "prepaid-bps", seq, holder="?"))) - 1
    account = Account(AccountId(name), "prepaid-bps", seq, holder="x" * (size - bare))
    return Head(account, bytes(32), msgspec.json.encode(account))


def names(recent: RecentHeads) -> set[str]:
    return {name for name in NAMES if recent.get(AccountId(name)) is not None}


def room(accounts: int) -> int:
    """For so many of `SIZE`, of which a quarter stay as they are."""
    return accounts * SIZE


def test_who_was_not_decided_on_for_the_longest_time_leaves_first() -> None:
    recent = RecentHeads(room(4))
    for name in ("a", "b", "c", "a", "d", "e"):
        recent.put(head(name))
    assert names(recent) == {"c", "a", "d", "e"}


def test_one_that_is_kept_as_a_document_comes_back_as_it_was() -> None:
    recent, first = RecentHeads(room(READY_PART)), head("a", 7)
    recent.put(first)
    assert recent.get(AccountId("a")) is first
    recent.put(head("b"))
    found = recent.get(AccountId("a"))
    assert found is not first
    assert found == first
    assert (found.state, found.holds_at) == (first.state, first.holds_at)


def test_a_newer_one_takes_the_place_of_the_older() -> None:
    recent = RecentHeads(room(4))
    for seq in range(1, 100):
        recent.put(head("a", seq))
    found = recent.get(AccountId("a"))
    assert (len(recent), found and found.account.seq) == (1, 99)
    recent.put(head("b"))
    recent.put(head("a", 100))
    found = recent.get(AccountId("a"))
    assert (len(recent), found and found.account.seq) == (2, 100)


@pytest.mark.parametrize("later", [(), ("b",)], ids=["as it is", "as a document"])
def test_dropped_is_gone_and_its_room_is_free(later: tuple[str, ...]) -> None:
    recent = RecentHeads(room(4))
    for name in ("a", *later):
        recent.put(head(name))
    recent.drop(AccountId("a"))
    recent.drop(AccountId("a"))
    others = [name for name in "cdef" if len(recent) < 4]
    for name in others[: 4 - len(recent)]:
        recent.put(head(name))
    assert "a" not in names(recent)
    assert len(recent) == 4


def test_one_that_is_larger_than_all_the_room_is_not_kept() -> None:
    recent = RecentHeads(SIZE)
    recent.put(head("a", size=SIZE + 1))
    assert len(recent) == 0


def test_zero_keeps_nothing() -> None:
    recent = RecentHeads(0)
    recent.put(head("a"))
    assert len(recent) == 0


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(60, 300), st.sampled_from(["put", "get", "drop"]))))
def test_never_above_the_bound(steps: list[tuple[str, int, str]]) -> None:
    """And what is there is the last that was put."""
    recent, last = RecentHeads(500), {}
    for name, size, what in steps:
        if what == "put":
            last[name] = head(name, size=size)
            recent.put(last[name])
        elif what == "get":
            recent.get(AccountId(name))
        else:
            recent.drop(AccountId(name))
            last.pop(name, None)
        kept = [one.state for one in (*recent._ready.values(), *recent._folded.values())]
        assert sum(map(len, kept)) <= 500
        assert len(set(kept)) == len(kept)
    held = [found for name in NAMES if (found := recent.get(AccountId(name))) is not None]
    assert all(one == last[one.account.id] for one in held)
