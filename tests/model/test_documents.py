"""The document of an account reads back as the account, whatever it was made from."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authsvc.model import Account, AccountId, Bucket, CardId, Day, Head, Hold, HoldId, Minor, Origin, UnixMs
from authsvc.model.documents import document_of

NOBODY = Head(Account(AccountId("acc-1")), bytes(32))


def hold(number: int, amount: int = 100) -> Hold:
    return Hold(
        HoldId(f"acc-1-{number}"), CardId("card-1"), Minor(amount), Minor(amount), UnixMs(1), UnixMs(2),
        Origin("0100", "1121120000", f"{number:06d}", merchant='"]}'), "000001", Day("2026-11-21"), Bucket.CASHLESS,
    )  # fmt: skip


def head_of(account: Account, before: Head = NOBODY) -> Head:
    document = document_of(account, before)
    return Head(account, bytes(32), document.json, document.holds_at)


def read(document: bytes) -> Account:
    return msgspec.json.decode(document, type=Account)


def account_with(*numbers: int) -> Account:
    return replace(NOBODY.account, product="prepaid-bps", seq=max(numbers, default=0), holds=tuple(map(hold, numbers)))


def test_one_more_is_written_behind_what_is_there() -> None:
    first = head_of(account_with(1, 2))
    second = head_of(replace(first.account, seq=3, holds=(*first.account.holds, hold(3))), first)
    assert read(second.state) == second.account
    assert second.state[second.holds_at :].startswith(first.state[first.holds_at : -2])


def test_of_a_head_that_was_read_nothing_is_taken() -> None:
    """Its document is not at hand."""
    found = Head(account_with(1, 2), bytes(32))
    after = replace(found.account, holds=(*found.account.holds, hold(3)))
    assert read(document_of(after, found).json) == after


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("placed"), st.integers(1, 3)),
        st.tuples(st.sampled_from(["ended", "changed"]), st.integers(0, 20)),
        st.tuples(st.sampled_from(["seq", "read"]), st.just(0)),
    ),
    max_size=30,
)


@given(CHANGES)
def test_any_life_of_holds(changes: list[tuple[str, int]]) -> None:
    """Given holds that come, end and change in any order, then each document is that of its account alone."""
    head, numbers = NOBODY, iter(range(1, 1000))
    for what, which in changes:
        holds = head.account.holds
        place = which % len(holds) if holds else 0
        if what == "placed":
            holds = (*holds, *(hold(next(numbers)) for _ in range(which)))
        elif what == "ended":
            holds = (*holds[:place], *holds[place + 1 :])
        elif what == "changed" and holds:
            holds = (*holds[:place], replace(holds[place], amount=Minor(7)), *holds[place + 1 :])
        elif what == "read":
            head = Head(head.account, bytes(32))
        after = replace(head.account, seq=head.account.seq + 1, holds=holds)
        head = head_of(after, head)
        assert read(head.state) == after
        assert bool(head.holds_at) == bool(holds)
