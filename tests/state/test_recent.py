"""Accounts at hand: the newest only, bounded by the memory they take."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authsvc.model import (
    NO_HOLDS,
    NO_NUMBERS,
    Account,
    AccountId,
    Bucket,
    Card,
    CardId,
    CardStatus,
    Day,
    Head,
    Hold,
    HoldId,
    Limits,
    Minor,
    Origin,
    UnixMs,
    holds_of,
    numbers_of,
)
from authsvc.model.documents import account_of, document_of
from authsvc.state.recent import RecentHeads, size_of

NAMES = "abcdefgh"


def head(name: str, seq: int = 1, keys: int = 0) -> Head:
    """Larger with more keys."""
    return Head(Account(AccountId(name), "prepaid-bps", seq, recent_keys=numbers_of(range(keys))), bytes(32))


def names(recent: RecentHeads) -> set[str]:
    return {name for name in NAMES if recent.get(AccountId(name)) is not None}


def room(accounts: int) -> int:
    """For so many without keys."""
    return accounts * size_of(head("a").account)


def test_who_was_not_decided_on_for_the_longest_time_leaves_first() -> None:
    recent = RecentHeads(room(4))
    for name in ("a", "b", "c", "a", "d", "e"):
        recent.put(head(name))
    assert names(recent) == {"c", "a", "d", "e"}


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


def test_dropped_is_gone_and_its_room_is_free() -> None:
    recent = RecentHeads(room(4))
    recent.put(head("a"))
    recent.drop(AccountId("a"))
    recent.drop(AccountId("a"))
    for name in "cdef":
        recent.put(head(name))
    assert names(recent) == set("cdef")


def test_one_that_is_larger_than_all_the_room_is_not_kept() -> None:
    recent = RecentHeads(room(1))
    recent.put(head("a", keys=1))
    assert len(recent) == 0


def test_zero_keeps_nothing() -> None:
    recent = RecentHeads(0)
    recent.put(head("a"))
    assert len(recent) == 0


def test_the_reckoning_is_about_right() -> None:
    """Of a thousand accounts as they are after some days of use."""
    hold = Hold(
        HoldId("acc-1-1"), CardId("card-1"), Minor(1), Minor(1), UnixMs(1), UnixMs(2),
        Origin("0100", "1121120000", "000001"), "000001", Day("2026-11-21"), Bucket.CASHLESS,
    )  # fmt: skip
    card = Card(CardId("c"), "0001", "2812", "8642", CardStatus.ACTIVE, Limits(Minor(1), Minor(2), Minor(3)))
    keys = numbers_of(10**18 + number for number in range(64))
    whole = Account(
        AccountId("a"), cards={card.id: card}, recent_keys=keys, recent_at=keys, holds=holds_of([hold] * 50)
    )
    for one in (replace(whole, recent_keys=NO_NUMBERS, recent_at=NO_NUMBERS), whole, replace(whole, holds=NO_HOLDS)):
        document = document_of(one)
        tracemalloc.start()
        kept = [account_of(document[:-1] + b"}") for _ in range(1_000)]
        taken = tracemalloc.get_traced_memory()[0] / len(kept)
        tracemalloc.stop()
        assert 0.5 * taken < size_of(one) < 2 * taken


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 40), st.sampled_from(["put", "get", "drop"]))))
def test_never_above_the_bound(steps: list[tuple[str, int, str]]) -> None:
    """And what is there is the last that was put."""
    recent, last = RecentHeads(room(5)), {}
    for name, keys, what in steps:
        if what == "put":
            last[name] = head(name, keys=keys)
            recent.put(last[name])
        elif what == "get":
            recent.get(AccountId(name))
        else:
            recent.drop(AccountId(name))
            last.pop(name, None)
        held = [found for one in NAMES if (found := recent.get(AccountId(one))) is not None]
        assert sum(size_of(one.account) for one in held) <= room(5)
        assert all(one == last[one.account.id] for one in held)
