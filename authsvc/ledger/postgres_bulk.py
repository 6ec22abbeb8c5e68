"""Many new accounts into the PostgreSQL ledger by COPY; workers may run beside it. A transaction takes as many decisions as a
position leaves room for (`postgres_database.ROWS_A_TRANSACTION`)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import asyncpg

from authsvc.ledger.bulk import ENTRIES, HEAD, JOURNAL, VAULT, BulkTakenError, NewAccountRows, Row
from authsvc.ledger.postgres_database import ROWS_A_TRANSACTION, Connection, connect, migrate
from authsvc.model import AccountId

T = TypeVar("T")
CHUNK = 2_000
_PLACE = f"SELECT position_base + pg_current_xact_id()::text::bigint * {ROWS_A_TRANSACTION} FROM ledger_schema"
_PRESENT = "SELECT account FROM head WHERE account = ANY($1::text[])"


class PostgresBulk:
    """A `bulk.BulkLedger`. Raises ConfigError naming `ledger.url`."""

    most_accounts = CHUNK

    def __init__(self, url: str, partitions: int = 0) -> None:
        self._runner = asyncio.Runner()
        try:
            self._connection: Connection = self._run(connect(url))
            self._run(migrate(self._connection, partitions))
        except BaseException:
            self._runner.close()
            raise

    def present(self, accounts: list[AccountId]) -> set[AccountId]:
        rows = self._run(self._connection.fetch(_PRESENT, accounts))
        return {AccountId(row["account"]) for row in rows}

    def write(self, rows: list[NewAccountRows]) -> None:
        """In transactions of whole accounts."""
        part: list[NewAccountRows] = []
        decisions = 0
        for one in sorted(rows, key=lambda each: each.account):
            if part and decisions + len(one.journal) > ROWS_A_TRANSACTION:
                self._run(self._copy(part))
                part, decisions = [], 0
            part.append(one)
            decisions += len(one.journal)
        if part:
            self._run(self._copy(part))

    def close(self) -> None:
        self._run(self._connection.close())
        self._runner.close()

    async def _copy(self, rows: list[NewAccountRows]) -> None:
        try:
            async with self._connection.transaction():
                first = await self._connection.fetchval(_PLACE)
                journal = [row for one in rows for row in one.journal]
                placed = [(*row, first + nth) for nth, row in enumerate(journal)]
                await self._into("head", HEAD, [one.head for one in rows])
                await self._into("journal", (*JOURNAL, "position"), placed)
                await self._into("entries", ENTRIES, [row for one in rows for row in one.entries])
                await self._into("vault", VAULT, [row for one in rows for row in one.vault])
        except asyncpg.UniqueViolationError as error:
            raise BulkTakenError(
                "a PAN leads to another card already, or another import opens the same accounts"
            ) from error

    async def _into(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        if rows:
            await self._connection.copy_records_to_table(table, records=rows, columns=columns)

    def _run(self, question: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(question)
