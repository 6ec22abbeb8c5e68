"""One account decided again: each recorded request, at its recorded time, on what the *new* decisions have made of it.

Numbers stay the recorded ones (one new decision for each recorded one), and so do the names made of them: holds, postings,
authorization codes, 3-D Secure proofs. What was found out about a request before it was decided (PIN, CVV2, cryptogram,
draw, proof) is in the request, and is kept as a fact.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from authsvc.errors import AuthsvcError, ConfigError
from authsvc.ledger.journal import ZERO_HASH, Record, chain
from authsvc.model import (
    Account,
    AccountId,
    Approved,
    Decision,
    HoldId,
    HoldPlaced,
    ImportAccount,
    OpenAccount,
    Posted,
    PostingId,
    Presentment,
    Request,
    Reversal,
    UnixMs,
)
from authsvc.products import Product
from authsvc.replay.history import History
from authsvc.replay.versions import Versions
from authsvc.rules.decide import decide
from authsvc.rules.evolve import evolve

_decision = msgspec.json.Decoder(Decision).decode


class JournalReader(Protocol):
    """What a replay reads of a ledger (a part of `reconcile.LedgerReader`)."""

    def snapshot(self) -> AbstractContextManager[None]: ...
    def every_account(self) -> Iterator[AccountId]: ...
    def records(self, account: AccountId) -> Iterator[Record]: ...


class DamagedJournalError(AuthsvcError):
    """A recorded decision is not the one that was taken; `authsvc reconcile` tells more."""


class Turn(StrEnum):
    """What became of a recorded decision."""

    SAME = "same"
    REFUSED_NOW = "refused now"
    APPROVED_NOW = "approved now"
    OTHER_REASON = "other reason"
    OTHER_AMOUNT = "other amount"
    OTHER_CODE = "other DE39"
    NOT_PRESENTED = "not presented"  # its authorization is refused now: the shop has nothing to claim, or to give back


class Pair(Struct, frozen=True):
    """`was`: as recorded; `now`: decided again, None when the request would not have come."""

    was: Decision
    now: Decision | None

    @property
    def turn(self) -> Turn:
        was, now = self.was, self.now
        if now is None:
            return Turn.NOT_PRESENTED
        if isinstance(was.outcome, Approved):
            if not isinstance(now.outcome, Approved):
                return Turn.REFUSED_NOW
            if was.outcome.amount != now.outcome.amount:
                return Turn.OTHER_AMOUNT
        elif isinstance(now.outcome, Approved):
            return Turn.APPROVED_NOW
        elif was.outcome.reason is not now.outcome.reason:
            return Turn.OTHER_REASON
        return Turn.SAME if _code(was) == _code(now) else Turn.OTHER_CODE


def _code(decision: Decision) -> str:
    return decision.answer.response_code if decision.answer is not None else ""


class Window(Struct, frozen=True):
    """Decisions of `since` and later are made again, up to but without `until`; the ones before stay as they are."""

    since: UnixMs = UnixMs(0)
    until: UnixMs = UnixMs(2**62)


class AccountReplay:
    """One account twice: `was`, the fold of its journal, and `now`, what the new decisions lead to."""

    def __init__(self, account: AccountId, products: Versions, since: UnixMs) -> None:
        self.was = self.now = Account(id=account)
        self._products = products
        self._since = since
        self._history = History()
        self._held: set[HoldId] = set()
        self._posted: set[PostingId] = set()

    @property
    def ends_otherwise(self) -> bool:
        return self.was != self.now

    def step(self, was: Decision) -> Pair | None:
        """The next recorded decision; None when it is of before the window."""
        before, self.was = self.was, evolve(self.was, was)
        if was.at < self._since:
            self._history.record(was)
            self.now = self.was
            return None
        assert self.now.seq == before.seq
        now = None if self._has_no_claim(was) else self._again(was)
        self._held.update(change.hold.id for change in was.changes if isinstance(change, HoldPlaced))
        self._posted.update(change.posting.id for change in was.changes if isinstance(change, Posted))
        if now is None or now.seq != was.seq:  # nothing new to remember, but the number is used
            self.now = replace(self.now, seq=was.seq, at=was.at)
        else:
            self.now = evolve(self.now, now)
            self._history.record(now)
        return Pair(was, now)

    def _again(self, was: Decision) -> Decision:
        product = self._product(was.request, was.at)
        past = self._history.past(was.request, self.now, was.at)
        now = decide(was.request, self.now, product, was.at, past)
        if was.answer is not None and now.answer is not None and _code(was) == _code(now):
            # Made with the issuer's keys of DE39, so it is the recorded one whenever DE39 is.
            now = replace(now, answer=replace(now.answer, chip=was.answer.chip))
        return now

    def _has_no_claim(self, was: Decision) -> bool:
        """Whether this claims a hold, or takes back a claim, that was recorded and is not there this time."""
        request, outcome = was.request, was.outcome
        if not isinstance(outcome, Approved):
            return False
        if isinstance(request, Presentment):
            return outcome.hold in self._held and not self._history.has_held(outcome.hold)
        if isinstance(request, Reversal) and request.undoes_claim:
            return outcome.posting in self._posted and not self._history.has_posted(outcome.posting)
        return False

    def _product(self, request: Request, at: UnixMs) -> Product:
        """As in `Decider`. Raises ConfigError when there is no file of the account's product."""
        name = self.now.product or (request.product if isinstance(request, OpenAccount | ImportAccount) else "none")
        products = self._products.at(at)
        if name not in products:
            raise ConfigError(f"--products: has no product {name!r}, which account {self.now.id} is of")
        return products[name]


def replayed(
    reader: JournalReader, account: AccountId, products: Versions, window: Window
) -> tuple[AccountReplay, Iterator[Pair]]:
    """An account, and its pairs in journal order; read the pairs to their end before looking at the account.

    The journal is read whole first: a snapshot held while deciding would keep the WAL of a running engine from starting over.
    """
    with reader.snapshot():
        records = list(reader.records(account))
    replay = AccountReplay(account, products, window.since)
    return replay, _pairs(replay, records, window.until)


def _pairs(replay: AccountReplay, records: list[Record], until: UnixMs) -> Iterator[Pair]:
    previous = ZERO_HASH
    for record in records:
        if record.columns.seq != replay.was.seq + 1 or chain(previous, record.decision) != record.hash:
            raise DamagedJournalError(f"{replay.was.id} at {record.columns.seq}: the journal is damaged; see reconcile")
        previous = record.hash
        decision = _decision(record.decision)
        if decision.at >= until:
            return
        pair = replay.step(decision)
        if pair is not None:
            yield pair
