"""Prove that everything derived from the journal agrees with it, account by account, and name what does not.

Reads only, one short snapshot per account, a row at a time: may run beside the engine and on a journal of any length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol

import msgspec
from msgspec import Struct

from authsvc.ledger.entries import EntryRow, entries_of
from authsvc.ledger.holds import OPEN, HoldRow, row_of
from authsvc.ledger.journal import ZERO_HASH, Evolve, HeadRecord, Record, chain, columns
from authsvc.model import Account, AccountId, Decision, Head, HoldEnded, HoldId, UnixMs
from authsvc.model.documents import account_of

Copy = Callable[[AccountId], Head | None]

_decision = msgspec.json.Decoder(Decision).decode


class What(StrEnum):
    """What disagrees."""

    SEQUENCE = "sequence"  # a number is missing
    CHAIN = "chain"  # a decision is not the one its hash was made of
    COLUMNS = "columns"  # a row can be found under something that its decision does not say
    FOLD = "fold"  # the decisions cannot be folded
    HEAD = "head"  # the head row is not where the journal leads
    ENTRIES = "entries"  # the general ledger says something else than the decisions, or than the balance
    HOLDS = "holds"  # the holds table says something else than the decisions
    COPY = "copy"  # the Redis copy is ahead of the journal, or of another history


class Difference(Struct, frozen=True):
    """`seq`: the decision where it shows, 0 when it is of the whole account; `detail`: never values of a state."""

    account: AccountId
    what: What
    seq: int
    detail: str


class LedgerReader(Protocol):
    """The rows as they are on the disk; `sqlite_reader.SqliteReader` is one."""

    def snapshot(self) -> AbstractContextManager[None]: ...
    def every_account(self) -> Iterator[AccountId]: ...
    def head_record(self, account: AccountId) -> HeadRecord | None: ...
    def records(self, account: AccountId, after: int = 0) -> Iterator[Record]: ...
    def hold(self, account: AccountId, hold_id: HoldId) -> HoldRow | None: ...
    def holds(self, account: AccountId) -> Iterator[HoldRow]: ...
    def entries(self, account: AccountId) -> Iterator[EntryRow]: ...
    def holds_kept_since(self) -> UnixMs: ...


def reconcile(reader: LedgerReader, evolve: Evolve, copy: Copy | None = None) -> Iterator[Difference]:
    """Every difference of every account; nothing when all is well. `copy`: an account as Redis has it, or None."""
    for account in reader.every_account():
        # Before the snapshot: the copy is written after the journal, so what it has now must be there by then.
        held = copy(account) if copy is not None else None
        with reader.snapshot():
            differences = _Walk(reader, account, evolve, held).run()
        yield from differences


class _Walk:
    """One account, from its first decision to its head. After a broken link, the rest of its journal is moot."""

    def __init__(self, reader: LedgerReader, account: AccountId, evolve: Evolve, copy: Head | None) -> None:
        self._reader = reader
        self._evolve = evolve
        self._copy = copy
        self._state = Account(id=account)
        self._hash = ZERO_HASH
        self._product = ""
        self._head = reader.head_record(account)
        self._documented: Account | None = None
        self._copied: Head | None = Head(self._state, self._hash) if copy and copy.account.seq == 0 else None
        self._entries = reader.entries(account)
        self._entries_agree = True
        self._balance = 0
        self._found: list[Difference] = []

    def run(self) -> list[Difference]:
        sound = all(self._step(record) for record in self._reader.records(self._state.id))
        head = self._head
        if sound:
            self._check_head(head)
            if head is not None and head.seq == self._state.seq:  # else the journal is shorter, and that was said
                self._check_balance()
            self._check_open_holds()
            self._check_copy()
        return self._found

    def _differs(self, what: What, seq: int, detail: str) -> None:
        self._found.append(Difference(self._state.id, what, seq, detail))

    def _step(self, record: Record) -> bool:
        """One row of the journal. False: there is no going on from here."""
        seq = record.columns.seq
        if seq != self._state.seq + 1:
            self._differs(What.SEQUENCE, seq, f"follows {self._state.seq}")
            return False
        if chain(self._hash, record.decision) != record.hash:
            self._differs(What.CHAIN, seq, "the hash is not that of this decision after the one before")
            return False
        try:
            decision = _decision(record.decision)
            after = self._evolve(self._state, decision)
        except Exception as error:  # noqa: BLE001 - damage may make anything fail; it is reported
            self._differs(What.FOLD, seq, f"the decision cannot be recorded: {type(error).__name__}")
            return False
        expected = columns(decision)
        if expected != record.columns:
            self._differs(What.COLUMNS, seq, _unequal_fields(expected, record.columns))
        self._check_ended_holds(decision)
        self._check_entries(decision)
        self._state, self._hash, self._product = after, record.hash, decision.product
        if self._copy is not None and self._copy.account.seq == seq:
            self._copied = Head(after, record.hash)
        if self._head is not None and self._head.state_seq == seq:
            self._documented = after
        return True

    def _check_ended_holds(self, decision: Decision) -> None:
        for change in decision.changes:
            if isinstance(change, HoldEnded):
                row = self._reader.hold(decision.account, change.hold)
                if row is None and change.at < self._reader.holds_kept_since():
                    continue
                if row is None or (row.end, row.ended_at) != (change.how, change.at):
                    self._differs(
                        What.HOLDS, decision.seq, f"hold {change.hold} ended as {change.how}, its row differs"
                    )

    def _check_entries(self, decision: Decision) -> None:
        for expected in entries_of(decision):
            self._balance += expected.for_holder
            if self._entries_agree and next(self._entries, None) != expected:
                self._entries_agree = False  # from here on the two are out of step
                self._differs(What.ENTRIES, decision.seq, f"entry {expected.leg} of {expected.posting} differs")

    def _check_balance(self) -> None:
        if self._entries_agree and (more := next(self._entries, None)) is not None:
            self._differs(What.ENTRIES, more.seq, f"entry {more.leg} of {more.posting} is of no decision")
        if self._balance != self._state.balance:
            self._differs(What.ENTRIES, self._state.seq, "the balance is not the sum of the entries")

    def _check_head(self, head: HeadRecord | None) -> None:
        seq = self._state.seq
        if head is None:
            self._differs(What.HEAD, seq, "there is no head row")
        elif head.seq != seq:
            self._differs(What.HEAD, seq, f"the head row is at {head.seq}")
        elif head.hash != self._hash:
            self._differs(What.HEAD, seq, "the head row has another hash")
        else:
            self._check_state(head)

    def _check_state(self, head: HeadRecord) -> None:
        """The document is as of one of the decisions: of the last one, or of one that was not long before."""
        try:
            account = account_of(head.state)
        except msgspec.DecodeError:
            self._differs(What.HEAD, head.seq, "the state of the account cannot be read")
            return
        if self._documented is None:
            self._differs(
                What.HEAD, head.seq, f"the state of the account is as of {head.state_seq}, which nobody decided"
            )
        elif account != self._documented:
            self._differs(What.HEAD, head.state_seq, _unequal_fields(self._documented, account))

    def _check_open_holds(self) -> None:
        expected = {hold.id: row_of(hold, self._state.id, self._product) for hold in self._state.holds}
        for row in self._reader.holds(self._state.id):
            if row.status == OPEN and expected.pop(row.id, None) != row:
                self._differs(What.HOLDS, self._state.seq, f"hold {row.id} is open in the table, not so in the journal")
        for hold_id in expected:
            self._differs(What.HOLDS, self._state.seq, f"hold {hold_id} is open in the journal, not so in the table")

    def _check_copy(self) -> None:
        copy = self._copy
        if copy is None:
            return
        if copy.account.seq > self._state.seq:
            self._differs(What.COPY, copy.account.seq, f"is ahead of the journal, which is at {self._state.seq}")
            return
        assert self._copied is not None  # the walk came by its sequence number
        if copy.hash != self._copied.hash:
            self._differs(What.COPY, copy.account.seq, "has another hash than the journal there")
        elif copy.account != self._copied.account:
            self._differs(What.COPY, copy.account.seq, _unequal_fields(self._copied.account, copy.account))


def _unequal_fields(expected: Struct, found: Struct) -> str:
    """Names only: a state holds PVVs."""
    fields = (name for name in expected.__struct_fields__ if getattr(expected, name) != getattr(found, name))
    return f"differs in {', '.join(fields)}"
