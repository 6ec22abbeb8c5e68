"""A head as the fields of a Redis hash: what was written reads back, and nothing else is believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authsvc.model import (
    Account,
    AccountId,
    Bucket,
    CardId,
    Day,
    Head,
    Hold,
    HoldId,
    Minor,
    Origin,
    Posting,
    PostingId,
    PostingKind,
    UnixMs,
    holds_of,
    postings_of,
)
from authsvc.state.fields import FIELDS, fields_of, head_in

ANNA = AccountId("anna")
ORIGIN = Origin("0100", "1121120000", "000001")


def hold(number: int) -> Hold:
    return Hold(
        HoldId(f"anna-{number}"), CardId(f"c{number % 2}"), Minor(number), Minor(number), UnixMs(1), UnixMs(5 + number % 7),
        ORIGIN, "000001", Day("2026-11-21"), Bucket.CASHLESS,
    )  # fmt: skip


def posting(number: int) -> Posting:
    return Posting(PostingId(f"anna-{number}"), CardId("c0"), PostingKind.PURCHASE, Minor(number), UnixMs(1), ORIGIN)


def head(holds: int = 0, postings: int = 0, seq: int = 7, kept: int = 3) -> Head:
    account = Account(
        ANNA, "prepaid-bps", seq, balance=Minor(5), holds=holds_of(map(hold, range(holds))),
        posted=postings_of(map(posting, range(postings))),
    )  # fmt: skip
    return Head(account, bytes(range(32)), kept=kept)


def reply(one: Head) -> list[bytes | None]:
    """As HMGET gives it."""
    return [str(value).encode() if isinstance(value, int | str) else value for value in fields_of(one)]


HEADS = st.builds(head, st.sampled_from([0, 1, 2, 30]), st.integers(0, 3), st.integers(1, 99), st.integers(-1, 1))


@given(HEADS, st.integers(0, 13))
def test_what_was_written_reads_back(one: Head, moment: int) -> None:
    """With what its holds come to, which is not reckoned anew."""
    found, now = head_in(ANNA, reply(one)), UnixMs(moment)
    assert found == one
    assert found is not None
    assert (found.kept, found.account.posted, found.account.holds) == (one.kept, one.account.posted, one.account.holds)
    old, new = one.account.holds, found.account.holds
    assert (len(new), new.size, new.total(now), new.open(now)) == (len(old), old.size, old.total(now), old.open(now))
    assert [new.of_card(CardId(name), now) for name in ("c0", "c1")] == [
        old.of_card(CardId(name), now) for name in ("c0", "c1")
    ]


@given(HEADS, st.sampled_from(range(len(FIELDS))), st.data())
def test_a_copy_that_was_changed_anywhere_is_not_believed(one: Head, field: int, data: st.DataObject) -> None:
    """One byte of any field: also where what it says is still an account."""
    fields = reply(one)
    value = bytearray(fields[field] or b"")
    place = data.draw(st.integers(0, len(value) - 1))
    value[place] ^= data.draw(st.integers(1, 255))
    fields[field] = bytes(value)
    assert head_in(ANNA, fields) in (None, one)
    if field == FIELDS.index("s"):
        assert head_in(ANNA, fields) is None


@pytest.mark.parametrize("field", [name for name in FIELDS if name != "c"])
def test_one_field_of_another_state(field: str) -> None:
    """As when somebody writes into one of them, or two programs write by halves."""
    fields, other = reply(head(2)), reply(head(3, seq=8, kept=4))
    other[FIELDS.index("h")] = b"22" * 32
    fields[FIELDS.index(field)] = other[FIELDS.index(field)]
    assert head_in(ANNA, fields) is None


@pytest.mark.parametrize("without", ["v", "s", "h", "k"])
def test_one_field_is_missing(without: str) -> None:
    fields = reply(head(2))
    fields[FIELDS.index(without)] = None
    assert head_in(ANNA, fields) is None


@pytest.mark.parametrize("check", [b"", b"x", b"12", b"12 [{},[]]", b" ", b"\xff"])
def test_a_check_that_is_none(check: bytes) -> None:
    assert head_in(ANNA, [*reply(head(2))[:-1], check]) is None


def test_a_right_copy_is_not_looked_into() -> None:
    """What is in it was written by us; the one test that tells that apart is a damaged one with the right check."""
    damaged = head(1)
    state = fields_of(damaged)[1].replace(b'"authorization_code":"000001"', b'"authorization_code":1')
    found = head_in(ANNA, reply(replace(damaged, state=state)))
    assert found is not None
    assert found.account.holds.total(UnixMs(1)) == 0


def test_by_a_program_that_wrote_no_check() -> None:
    """All of it is looked into."""
    one = head(2, 2)
    fields = [*reply(one)[:-1], None]
    assert head_in(ANNA, fields) == one
    for right, wrong in (
        (b'"authorization_code":"000001"', b'"authorization_code":1'),
        (b'"kind":"purchase"', b'"kind":"purchases"'),
    ):
        state = fields[1]
        assert state is not None
        assert right in state
        assert head_in(ANNA, [fields[0], state.replace(right, wrong), *fields[2:]]) is None


def test_of_another_account() -> None:
    assert head_in(AccountId("bert"), reply(head())) is None
