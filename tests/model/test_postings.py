"""The postings of an account are a sequence of postings, whatever they are kept as."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authsvc.model import (
    NO_POSTINGS,
    Account,
    AccountId,
    CardId,
    HoldId,
    Minor,
    Origin,
    Posting,
    PostingId,
    PostingKind,
    Postings,
    UnixMs,
    postings_of,
)
from authsvc.model.documents import account_of, document_of

NOBODY = Account(AccountId("acc-1"))


def posting(number: int, amount: int = 100) -> Posting:
    origin = Origin("0200", "1121120000", f"{number:06d}", merchant='"},{"id":"acc-1-2"', rrn=f"R{number}")
    return Posting(
        PostingId(f"acc-1-{number}"), CardId("card-1"), PostingKind.PURCHASE, Minor(amount), UnixMs(number), origin,
        hold=HoldId(f"acc-1-{number - 1}"),
    )  # fmt: skip


def read_again(kept: Postings) -> Postings:
    return account_of(document_of(replace(NOBODY, posted=kept))).posted


CHANGES = st.lists(st.tuples(st.sampled_from(["posted", "posted", "changed", "read"]), st.integers(0, 20)), max_size=25)


@given(CHANGES)
def test_any_life_of_postings(changes: list[tuple[str, int]]) -> None:
    """Given postings that come, push out the oldest, and are reversed in part, then they are what a plain list of them would
    be, each is found by what it says, and the document reads back as its account."""
    plain: list[Posting] = []
    kept = NO_POSTINGS
    for number, (what, which) in enumerate(changes, 1):
        if what == "posted":
            forget = which % 3 if which % 3 <= len(plain) else 0
            kept = kept.after(forget, posting(number))
            plain = [*plain[forget:], posting(number)]
        elif what == "changed" and plain:
            other = replace(plain[which % len(plain)], amount=Minor(7))
            kept = kept.with_changed(other)
            plain = [*(one for one in plain if one.id != other.id), other]
        elif what == "read":
            kept = read_again(kept)
        assert (list(kept), list(reversed(kept)), len(kept), bool(kept)) == (
            plain,
            plain[::-1],
            len(plain),
            bool(plain),
        )
        assert (kept, kept.size) == (postings_of(plain), sum(len(msgspec.json.encode(one)) for one in plain))
        for place, one in enumerate(plain):
            assert kept[place] == one
            assert [found for found in kept.having(one.origin.rrn) if found.origin.rrn == one.origin.rrn] == [one]
        account = replace(NOBODY, posted=kept)
        assert account_of(document_of(account)) == account


def test_none() -> None:
    """An account without any says nothing of them in its document."""
    assert (read_again(NO_POSTINGS) is NO_POSTINGS, list(NO_POSTINGS.having("x"))) == (True, [])
    assert b"posted" not in document_of(NOBODY)


def test_one_that_is_no_longer_there() -> None:
    """Its reversal comes when it has left the document: it stands there again, as the ledger says it is now."""
    kept = postings_of(map(posting, (1, 2)))
    assert list(kept.with_changed(posting(9))) == [posting(1), posting(2), posting(9)]


@pytest.mark.parametrize("other", [(posting(1),), postings_of([posting(1), posting(2)]), NO_POSTINGS, None, 1])
def test_equal_when_the_postings_are(other: object) -> None:
    assert (postings_of([posting(1)]) == other) is (other == (posting(1),))


def test_as_another_program_writes_them() -> None:
    """The same, in another order and with spaces between: equal, found, and taken over as they stand."""
    fields = msgspec.json.decode(msgspec.json.encode(posting(1)))
    theirs = msgspec.json.format(msgspec.json.encode({name: fields[name] for name in sorted(fields, reverse=True)}))
    account = account_of(b'{"posted": [ ' + theirs + b" , " + msgspec.json.encode(posting(2)) + b' ], "id": "acc-1"}')
    assert account.posted == postings_of([posting(1), posting(2)])
    assert list(account.posted.having("R1")) == [posting(1)]
    assert list(account.posted.with_changed(posting(1, 7))) == [posting(2), posting(1, 7)]
    assert theirs in document_of(account)


def test_one_that_is_found_damaged_when_it_is_looked_into() -> None:
    damaged = document_of(replace(NOBODY, posted=postings_of([posting(1)]))).replace(b'"purchase"', b'"purchases"')
    kept = account_of(damaged).posted
    assert len(kept) == 1
    with pytest.raises(msgspec.DecodeError):
        list(kept)
    with pytest.raises(msgspec.DecodeError):
        account_of(damaged.replace(b'"posted":[{', b'"posted":[{{'))
