"""Accounts at hand: the newest only, bounded by the memory they take."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authsvc.model import (
    Account,
    AccountId,
    Bucket,
    Card,
    CardId,
    CardStatus,
    Counters,
    Day,
    Head,
    Hold,
    HoldId,
    Limits,
    Minor,
    Origin,
    Posting,
    PostingId,
    PostingKind,
    UnixMs,
    Used,
    numbers_of,
)
from authsvc.model.documents import account_of, document_of
from authsvc.state.recent import RecentHeads, size_of

NAMES = "abcdefgh"


def head(name: str, seq: int = 1, keys: int = 0) -> Head:
    """Larger with more keys."""
    return Head(Account(AccountId(name), "prepaid-bps", seq, recent_keys=numbers_of(range(keys))), bytes(32))


def hold(number: int) -> Hold:
    return Hold(
        HoldId(f"acc-1-{number}"), CardId("card-1"), Minor(1), Minor(1), UnixMs(1), UnixMs(2),
        Origin("0100", "1121120000", f"{number:06d}", "123456", "LOADTST1", "MERCHANT0000001", "045930205259"), "000001",
        Day("2026-11-21"), Bucket.CASHLESS,
    )  # fmt: skip


def posting(number: int) -> Posting:
    one = hold(number)
    return Posting(PostingId(one.id), one.card, PostingKind.PURCHASE, one.amount, one.created, one.origin, "000001")


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


@pytest.mark.parametrize("count", [0, 1, 8, 50, 200])
def test_the_reckoning_is_about_right(count: int) -> None:
    """Of accounts that were read once and have made so many payments since, with their places here."""
    limits = Limits(Minor(10**6), Minor(2 * 10**6), Minor(3 * 10**6))
    card = Card(CardId("card-1"), "0001", "2812", "8642", CardStatus.ACTIVE, limits, Counters(Used(Day("2026-11-21"))))
    document = document_of(Account(AccountId("acc-00007"), "credit-business", cards={card.id: card}))
    recent = RecentHeads(10**9)

    def grown(number: int) -> None:
        account = account_of(document.replace(b"00007", b"%05d" % number))
        for one in range(count):
            keys, at = account.recent_keys.after(0, 10**18 + one), account.recent_at.after(0, 10**12 + one)
            posted = account.posted.after(0, posting(one)) if one % 16 == 0 else account.posted
            account = replace(
                account, recent_keys=keys, recent_at=at, posted=posted, holds=account.holds.with_one(hold(one))
            )
        recent.put(Head(account, bytes([number % 256]) * 32))

    tracemalloc.start()
    for number in range(200):
        grown(number)
    taken = tracemalloc.get_traced_memory()[0] / 200
    tracemalloc.stop()
    found = recent.get(AccountId("acc-00007"))
    assert found is not None
    assert 0.8 * taken < size_of(found.account) < 1.8 * taken  # those that were never used are reckoned too large


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
