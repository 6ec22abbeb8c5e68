"""The PostgreSQL ledger for those who are not in an event loop: `authsvc reconcile` and `authsvc explain`.

The driver stays asyncpg: each question runs in a small event loop of this reader's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import asyncpg

from authsvc.ledger.entries import EntryRow
from authsvc.ledger.holds import HoldRow
from authsvc.ledger.journal import Columns, HeadRecord, JournalRow, Record
from authsvc.ledger.postgres_database import Connection, check_version, connect
from authsvc.ledger.postgres_reader import HOLD, PostgresReader
from authsvc.model import AccountId, HoldId, Key, PostingKind, UnixMs

T = TypeVar("T")

PAGE = 500
_NEXT_ACCOUNT = """
SELECT min(account) FROM (SELECT min(account) AS account FROM head WHERE account > $1
                          UNION ALL SELECT min(account) FROM journal WHERE account > $1
                          UNION ALL SELECT min(account) FROM holds WHERE account > $1) AS every"""
_RECORDS = """
SELECT seq, at, kind, key, rrn, stan, hash, decision FROM journal WHERE account = $1 AND seq > $2 ORDER BY seq LIMIT $3"""

_ENTRIES = """
SELECT account, seq, leg, at, posting, kind, card, debit, credit, amount FROM entries
WHERE account = $1 AND (seq, leg) > ($2, $3) ORDER BY seq, leg LIMIT $4"""


class PostgresRecords:
    """A `reconcile.LedgerReader`, and `find` for `explain`. `close` it."""

    def __init__(self, url: str) -> None:
        """Raises ConfigError naming `ledger.url`."""
        self._runner = asyncio.Runner()
        try:
            self._connection: Connection = self._run(_open(url))
        except BaseException:
            self._runner.close()
            raise

    def close(self) -> None:
        self._run(self._connection.close())
        self._runner.close()

    def find(self, rrn: str, stan: str, account: str, limit: int) -> list[JournalRow]:
        return self._run(PostgresReader(self._connection).find(rrn, stan, account, limit))

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see the same moment."""
        self._run(self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        try:
            yield
        finally:
            self._run(self._connection.execute("ROLLBACK"))

    def every_account(self) -> Iterator[AccountId]:
        """Each account that any table names, in order; one short read each."""
        account = ""
        while (found := self._fetch(_NEXT_ACCOUNT, account)[0][0]) is not None:
            account = str(found)
            yield AccountId(account)

    def head_record(self, account: AccountId) -> HeadRecord | None:
        rows = self._fetch("SELECT seq, hash, state FROM head WHERE account = $1", account)
        return next((HeadRecord(seq, hashed, state.encode(), seq) for seq, hashed, state in rows), None)

    def records(self, account: AccountId, after: int = 0) -> Iterator[Record]:
        while rows := self._fetch(_RECORDS, account, after, PAGE):
            for seq, at, kind, key, rrn, stan, hashed, decision in rows:
                found = Columns(account, seq, UnixMs(at), kind, Key(key), rrn, stan)
                yield Record(found, hashed, decision.encode())
            after = rows[-1]["seq"]

    def hold(self, account: AccountId, hold_id: HoldId) -> HoldRow | None:
        rows = self._fetch(f"{HOLD} WHERE account = $1 AND id = $2", account, hold_id)
        return next((HoldRow(*row) for row in rows), None)

    def holds(self, account: AccountId) -> Iterator[HoldRow]:
        """Open and ended ones, oldest first."""
        rows = self._fetch(f'{HOLD} WHERE account = $1 ORDER BY created, id COLLATE "C"', account)
        return (HoldRow(*row) for row in rows)

    def holds_kept_since(self) -> UnixMs:
        """Holds that ended before it may be gone; 0: none are."""
        rows = self._fetch("SELECT value FROM meta WHERE name = 'holds_kept_since'")
        return UnixMs(rows[0]["value"] if rows else 0)

    def entries(self, account: AccountId) -> Iterator[EntryRow]:
        """All of an account, in order."""
        after = (0, 0)
        while rows := self._fetch(_ENTRIES, account, *after, PAGE):
            for name, seq, leg, at, posting, kind, card, debit, credit, amount in rows:
                yield EntryRow(name, seq, leg, at, posting, PostingKind(kind), card, debit, credit, amount)
            after = (rows[-1]["seq"], rows[-1]["leg"])

    def _fetch(self, query: str, *values: str | int) -> Sequence[asyncpg.Record]:
        return self._run(self._connection.fetch(query, *values))

    def _run(self, question: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(question)


async def _open(url: str) -> Connection:
    connection = await connect(url)
    try:
        await check_version(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection
