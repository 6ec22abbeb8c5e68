"""The questions to the SQLite file, on a connection that cannot write. Synchronous: `sqlite` has the thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec

from authsvc.gauges import EXPIRING_MS, Held, OpenHolds
from authsvc.ledger.entries import CARDHOLDER, EntryRow
from authsvc.ledger.holds import HoldRow
from authsvc.ledger.journal import Columns, Evolve, HeadRecord, JournalRow, Record, VaultEntry
from authsvc.ledger.sqlite_file import open_reader_connection
from authsvc.model import (
    AccountId,
    Approved,
    Authorization,
    CardId,
    Decision,
    Head,
    HoldEnd,
    HoldId,
    Key,
    Minor,
    Original,
    Posted,
    Posting,
    PostingId,
    PostingKind,
    PostingReduced,
    Presentment,
    UnixMs,
    names,
)
from authsvc.model.documents import account_of

_decision = msgspec.json.Decoder(Decision).decode

AUTHORIZATION, PRESENTMENT = "authorization", "presentment"
"""Kinds of journal rows that can be the original of another."""
_ROW = "SELECT position, seq, hash, decision FROM journal"
_HOLD = "SELECT id, account, card, amount, created, expires, status, ended_at, code, product FROM holds"
_OPEN_HOLDS = """
SELECT count(*), coalesce(sum(amount), 0), min(created), min(expires), coalesce(sum(expires <= ?), 0)
FROM holds INDEXED BY holds_open WHERE status = 'open'"""
_HELD = "SELECT product, count(*), sum(amount) FROM holds INDEXED BY holds_open WHERE status = 'open' GROUP BY product"
_ENTRY = "SELECT account, seq, leg, at, posting, kind, card, debit, credit, amount FROM entries"
_VAULT = "SELECT pan_hash, account, card, last4, sealed_pan FROM vault"
_HEAD = """
SELECT head.seq, hash, state, states.seq FROM head LEFT JOIN states USING (account) WHERE head.account = ?"""
_NEXT_ACCOUNT = """
SELECT min(account) FROM (SELECT min(account) AS account FROM head WHERE account > ?1
                          UNION ALL SELECT min(account) FROM journal WHERE account > ?1
                          UNION ALL SELECT min(account) FROM holds WHERE account > ?1)"""


class SqliteReader:
    """Reads the ledger. One thread at a time."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def close(self) -> None:
        self._connection.close()

    def head(self, account: AccountId, evolve: Evolve) -> Head | None:
        """What was decided since the document was written is taken in: some 25 µs each."""
        found = self.head_record(account)
        if found is None:
            return None
        known = account_of(found.state)
        since = f"{_ROW} WHERE account = ? AND seq > ? AND seq <= ? ORDER BY seq"
        for row in self._rows(since, account, found.state_seq, found.seq):
            known = evolve(known, row.decision)
        return Head(known, found.hash, kept=found.state_seq)

    def earlier(self, account: AccountId, key: Key, stan: str) -> Decision | None:
        # "stan <> ''", "stan = ''" and "key <> 0" are what the partial indexes ask for, here and below.
        by_stan = "INDEXED BY journal_stan WHERE stan <> '' AND stan = ?1"
        found_by = by_stan if stan else "INDEXED BY journal_key WHERE stan = ''"
        # By position, which is the order of the index: to sort by seq, the same within an account, it would make a tree.
        query = f"{_ROW} {found_by} AND account = ?2 AND key = ?3 AND key <> 0 ORDER BY position LIMIT 1"
        rows = self._rows(query, stan, account, key)
        return next((row.decision for row in rows), None)

    def original(
        self, account: AccountId, card: CardId, original: Original, terminal: str, merchant: str
    ) -> tuple[Decision, HoldEnd | None] | None:
        column, value = ("stan", original.stan) if original.stan else ("rrn", original.rrn)
        kind = PRESENTMENT if original.mti[:3] == "022" else AUTHORIZATION
        # Left to itself the planner goes through all decisions of the account.
        found_by = f"INDEXED BY journal_{column} WHERE {column} = ? AND {column} <> ''"
        query = f"{_ROW} {found_by} AND account = ? AND kind = ? ORDER BY position DESC"
        newest: Decision | None = None
        for row in self._rows(query, value, account, kind):
            request = row.decision.request
            assert isinstance(request, Authorization | Presentment)
            if request.card != card or not names(original, terminal, merchant, request.origin):
                continue
            if isinstance(row.decision.outcome, Approved):
                return row.decision, self._end_of(account, row.decision.outcome.hold)
            newest = newest or row.decision
        return None if newest is None else (newest, None)

    def journal(self, account: AccountId, after: int, limit: int) -> list[JournalRow]:
        return list(self._rows(f"{_ROW} WHERE account = ? AND seq > ? ORDER BY seq LIMIT ?", account, after, limit))

    def since(self, position: int, limit: int) -> list[JournalRow]:
        return list(self._rows(f"{_ROW} WHERE position > ? ORDER BY position LIMIT ?", position, limit))

    def orders(self, at: UnixMs, position: int, limit: int) -> list[JournalRow]:
        query = f"{_ROW} WHERE stan = '' AND (at, position) > (?, ?) ORDER BY at, position LIMIT ?"
        return list(self._rows(query, at, position, limit))

    def find(self, rrn: str, stan: str, account: str, limit: int) -> list[JournalRow]:
        given = {column: value for column, value in (("rrn", rrn), ("stan", stan), ("account", account)) if value}
        wanted = " AND ".join(f"{column} = ? AND {column} <> ''" for column in given) or "TRUE"
        return list(self._rows(f"{_ROW} WHERE {wanted} ORDER BY position DESC LIMIT ?", *given.values(), limit))

    def hold(self, account: AccountId, hold_id: HoldId) -> HoldRow | None:
        query = f"{_HOLD} WHERE account = ? AND id = ?"
        return next((HoldRow(*row) for row in self._connection.execute(query, (account, hold_id))), None)

    def holds(self, account: AccountId) -> Iterator[HoldRow]:
        """Open and ended ones, oldest first."""
        query = f"{_HOLD} WHERE account = ? ORDER BY created, id"
        return (HoldRow(*row) for row in self._connection.execute(query, (account,)))

    def hold_by_code(self, account: AccountId, card: CardId, code: str) -> HoldRow | None:
        query = f"{_HOLD} WHERE account = ? AND card = ? AND code = ? ORDER BY created DESC LIMIT 1"
        return next((HoldRow(*row) for row in self._connection.execute(query, (account, card, code))), None)

    def due(self, now: UnixMs, limit: int) -> list[AccountId]:
        """Accounts with open holds whose time is over, those that wait longest first."""
        query = "SELECT account FROM holds WHERE status = 'open' AND expires <= ? ORDER BY expires LIMIT ?"
        rows = self._connection.execute(query, (now, limit))
        return list(dict.fromkeys(AccountId(account) for (account,) in rows))

    def open_holds(self, now: UnixMs) -> OpenHolds:
        """Reads `holds_open`, which has all the columns: about 85 ms for a million open holds, none of it in the table."""
        row = self._connection.execute(_OPEN_HOLDS, (now + EXPIRING_MS,)).fetchone()
        assert row is not None  # aggregates without GROUP BY are one row
        return OpenHolds(*row)

    def held_by_product(self) -> dict[str, Held]:
        """Reads `holds_open` as well; sorting takes longer than reading: about 450 ms for a million open holds."""
        return {product: Held(number, amount) for product, number, amount in self._connection.execute(_HELD)}

    def posting(self, account: AccountId, posting: PostingId) -> Posting | None:
        """As it is now: its newest entries say which decision changed it last."""
        query = "SELECT max(seq) FROM entries WHERE posting = ? AND account = ?"
        seq = self._connection.execute(query, (posting, account)).get
        if seq is None:
            return None
        (row,) = self._rows(f"{_ROW} WHERE account = ? AND seq = ?", account, seq)
        moved = (one for one in row.decision.changes if isinstance(one, Posted | PostingReduced))
        return next(one.posting for one in moved if one.posting.id == posting)

    def movements(self, account: AccountId, since: UnixMs, until: UnixMs, after: int, limit: int) -> list[JournalRow]:
        """Decisions of the account that moved money from `since` on and before `until`, above seq `after`, in order."""
        moved = "SELECT seq FROM entries WHERE account = ?1 AND seq > ?4 AND at >= ?2 AND at < ?3"
        query = f"{_ROW} WHERE account = ?1 AND seq IN ({moved}) ORDER BY seq LIMIT ?5"
        return list(self._rows(query, account, since, until, after, limit))

    def balance_before(self, account: AccountId, at: UnixMs) -> Minor:
        """The balance of the account from what moved before `at`, grosze."""
        query = "SELECT coalesce(sum(amount), 0) FROM postings WHERE account = ? AND ledger_account = ? AND at < ?"
        return Minor(-int(self._connection.execute(query, (account, CARDHOLDER, at)).get))

    def trial_balance(self, until: UnixMs) -> dict[str, Minor]:
        """Each ledger account and what it holds before `until`, grosze: debits above zero, credits below."""
        query = "SELECT ledger_account, sum(amount) FROM postings WHERE at < ? GROUP BY 1 ORDER BY 1"
        return {str(name): Minor(int(amount)) for name, amount in self._connection.execute(query, (until,))}

    def vault_by_hash(self, pan_hash: bytes) -> VaultEntry | None:
        return self._vault("pan_hash", pan_hash)

    def vault_by_card(self, card: CardId) -> VaultEntry | None:
        return self._vault("card", card)

    def accounts(self, after: str, limit: int) -> list[AccountId]:
        query = "SELECT account FROM head WHERE account > ? ORDER BY account LIMIT ?"
        return [AccountId(account) for (account,) in self._connection.execute(query, (after, limit))]

    # What follows is for `reconcile`: rows as they are, damaged ones too.

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see the same moment. Keep it short: the WAL cannot start over meanwhile."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    def every_account(self) -> Iterator[AccountId]:
        """Each account that any table names, in order; one short read each."""
        account = ""
        while (found := self._connection.execute(_NEXT_ACCOUNT, (account,)).get) is not None:
            account = str(found)
            yield AccountId(account)

    def head_record(self, account: AccountId) -> HeadRecord | None:
        rows = self._connection.execute(_HEAD, (account,))
        found = ((seq, hashed, (state or "").encode(), at or 0) for seq, hashed, state, at in rows)
        return next((HeadRecord(*one) for one in found), None)

    def records(self, account: AccountId, after: int = 0) -> Iterator[Record]:
        query = "SELECT seq, at, kind, key, rrn, stan, hash, decision FROM journal WHERE account = ? AND seq > ? ORDER BY seq"
        for seq, at, kind, key, rrn, stan, hashed, decision in self._connection.execute(query, (account, after)):
            found = Columns(account, seq, UnixMs(at), kind, Key(key), rrn, stan)
            yield Record(found, hashed, decision.encode())

    def holds_kept_since(self) -> UnixMs:
        """Holds that ended before it may be gone; 0: none are."""
        rows = self._connection.execute("SELECT value FROM meta WHERE name = 'holds_kept_since'")
        return UnixMs(next((int(value) for (value,) in rows), 0))

    def entries(self, account: AccountId) -> Iterator[EntryRow]:
        """All of an account, in order."""
        query = f"{_ENTRY} WHERE account = ? ORDER BY seq, leg"
        for name, seq, leg, at, posting, kind, card, debit, credit, amount in self._connection.execute(
            query, (account,)
        ):
            yield EntryRow(name, seq, leg, at, posting, PostingKind(kind), card, debit, credit, amount)

    def _rows(self, query: str, *values: str | int) -> Iterator[JournalRow]:
        for position, seq, hashed, decision in self._connection.execute(query, values):
            yield JournalRow(position, seq, hashed, _decision(decision))

    def _end_of(self, account: AccountId, hold_id: HoldId) -> HoldEnd | None:
        found = self.hold(account, hold_id) if hold_id else None
        return None if found is None else found.end

    def _vault(self, column: str, value: str | bytes) -> VaultEntry | None:
        rows = self._connection.execute(f"{_VAULT} WHERE {column} = ?", (value,))
        return next((VaultEntry(*row) for row in rows), None)


def open_reader(path: Path) -> SqliteReader:
    """The ledger at `path`, read-only, beside a running engine or without one. Raises ConfigError."""
    return SqliteReader(open_reader_connection(path))
