"""Accounts at hand: the newest only, bounded by the bytes of their documents."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from authsvc.model import Account, AccountId, Head
from authsvc.state.recent import RecentHeads


def head(name: str, seq: int = 1, size: int = 10) -> Head:
    return Head(Account(AccountId(name), "prepaid-bps", seq), bytes(32), b"x" * size)


def names(recent: RecentHeads) -> set[str]:
    return {name for name in "abcdefgh" if recent.get(AccountId(name)) is not None}


def test_who_was_not_decided_on_for_the_longest_time_leaves_first() -> None:
    recent = RecentHeads(30)
    for name in ("a", "b", "c", "a", "d"):
        recent.put(head(name))
    assert names(recent) == {"c", "a", "d"}


def test_a_newer_one_takes_the_place_of_the_older() -> None:
    recent = RecentHeads(30)
    for seq in range(1, 100):
        recent.put(head("a", seq, size=20))
    found = recent.get(AccountId("a"))
    assert (len(recent), found and found.account.seq) == (1, 99)
    recent.put(head("b"))
    assert names(recent) == {"a", "b"}


def test_dropped_is_gone_and_its_room_is_free() -> None:
    recent = RecentHeads(20)
    recent.put(head("a"))
    recent.drop(AccountId("a"))
    recent.drop(AccountId("a"))
    recent.put(head("b"))
    recent.put(head("c"))
    assert names(recent) == {"b", "c"}


def test_one_that_is_larger_than_all_the_room_is_not_kept() -> None:
    recent = RecentHeads(5)
    recent.put(head("a", size=6))
    assert len(recent) == 0


def test_zero_keeps_nothing() -> None:
    recent = RecentHeads(0)
    recent.put(head("a", size=0))
    assert len(recent) == 0


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 40), st.booleans())))
def test_never_above_the_bound(steps: list[tuple[str, int, bool]]) -> None:
    """And what is there is the last that was put."""
    recent, last = RecentHeads(50), {}
    for name, size, kept in steps:
        if kept:
            last[name] = head(name, size=size)
            recent.put(last[name])
        else:
            recent.drop(AccountId(name))
    held = [found for name in "abcdefgh" if (found := recent.get(AccountId(name))) is not None]
    assert sum(len(one.state) for one in held) <= 50
    assert all(one is last[one.account.id] for one in held)
