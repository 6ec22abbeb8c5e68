"""Bulk into PostgreSQL by COPY, a transaction for as many decisions as positions allow. Engines may go on beside it: the
accounts are new, so nobody decides on them before their rows are there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg

from authsvc.errors import LedgerDownError
from authsvc.ledger.bulk import Fate, Opened, fates, taken
from authsvc.ledger.postgres_database import FAULTS, ROWS_A_TRANSACTION, Connection, connect, migrate, problem

LINKS = 2
"""Connections: while the server writes down one transaction, the other one is on its way."""
TRIES = 5
"""An engine beside us may issue a card with a PAN of ours between our look and our commit: then we look again."""
HEAD = ("account", "seq", "hash", "state")
JOURNAL = ("account", "seq", "position", "at", "kind", "key", "rrn", "stan", "decision", "hash")
ENTRIES = ("account", "seq", "leg", "at", "posting", "kind", "card", "debit", "credit", "amount")
VAULT = ("pan_hash", "account", "card", "last4", "sealed_pan")
_PLACE = f"""
SELECT position_base + pg_current_xact_id()::text::bigint * {ROWS_A_TRANSACTION} FROM ledger_schema"""
_KNOWN = "SELECT pan_hash, account FROM vault WHERE pan_hash = ANY($1::bytea[])"


class PostgresBulk:
    """A `bulk.BulkLedger`. Raises ConfigError naming `ledger.url`. `partitions`: as in `postgres_database.migrate`."""

    def __init__(self, url: str, partitions: int = 0) -> None:
        self._runner = asyncio.Runner()
        try:
            self._links: list[Connection] = self._runner.run(_open(url, partitions))
        except BaseException:
            self._runner.close()
            raise

    def close(self) -> None:
        self._runner.run(_close(self._links))
        self._runner.close()

    def open(self, accounts: Sequence[Opened]) -> list[Fate]:
        """See `bulk.BulkLedger.open`. An order is several transactions; one that is cut off leaves whole accounts."""
        for _ in range(TRIES):
            try:
                return self._runner.run(self._open(accounts))
            except* asyncpg.UniqueViolationError:
                pass
            except* FAULTS as errors:
                raise LedgerDownError(f"the ledger cannot be written: {problem(errors.exceptions[0])}") from None
        raise LedgerDownError("the ledger cannot be written: another writer is at the same cards")

    async def _open(self, accounts: Sequence[Opened]) -> list[Fate]:
        """PANs that lead to an account of this very order were written by an earlier try."""
        hashes = [row[0] for account in accounts for row in account.vault]
        known = {row[0]: row[1] for row in await self._links[0].fetch(_KNOWN, hashes)}
        written = set(known.values()) & {account.account for account in accounts}
        found = fates(accounts, {pan_hash: owner for pan_hash, owner in known.items() if owner not in written})
        rows = [account for account in taken(accounts, found) if account.account not in written]
        parts = iter([rows[start : start + ROWS_A_TRANSACTION] for start in range(0, len(rows), ROWS_A_TRANSACTION)])

        async def some(link: Connection) -> None:
            for part in parts:
                await _copy(link, part)

        async with asyncio.TaskGroup() as links:
            for link in self._links:
                links.create_task(some(link))
        return found


async def _open(url: str, partitions: int) -> list[Connection]:
    links = [await connect(url) for _ in range(LINKS)]
    await migrate(links[0], partitions)
    return links


async def _close(links: Sequence[Connection]) -> None:
    for link in links:
        await link.close()


async def _copy(link: Connection, part: Sequence[Opened]) -> None:
    """In order of the PANs where their index is random."""
    async with link.transaction():
        first = await link.fetchval(_PLACE)
        heads = [(each.account, 1, each.hash, each.state.decode()) for each in part]
        journal = [
            (each.account, 1, first + nth, each.at, "import_account", 0, "", "", each.decision.decode(), each.hash)
            for nth, each in enumerate(part)
        ]
        entries = [(row[0], 1, *row[1:]) for each in part for row in each.entries]
        vault = sorted(row for each in part for row in each.vault)
        await link.copy_records_to_table("head", records=heads, columns=HEAD)
        await link.copy_records_to_table("journal", records=journal, columns=JOURNAL)
        await link.copy_records_to_table("entries", records=entries, columns=ENTRIES)
        await link.copy_records_to_table("vault", records=vault, columns=VAULT)
