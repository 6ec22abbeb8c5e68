"""Many new accounts into the embedded ledger, a chunk a transaction. The engine must be stopped: it is the one writer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import apsw
import msgspec

from authsvc.errors import ConfigError
from authsvc.ledger.bulk import ENTRIES, HEAD, JOURNAL, VAULT, BulkTakenError, NewAccountRows, Row
from authsvc.ledger.sqlite_file import create, lock, open_writer
from authsvc.model import AccountId

CHUNK = 5_000
CACHE_KB = 262_144
"""Rows come in the order of nothing, so every index is written all over: it should fit. For the time of the import alone."""
CHECKPOINT_PAGES = 50_000
"""Nobody waits for an answer here, so a long checkpoint hurts nobody, and a page that many rows changed is copied once."""

_PRESENT = "SELECT account FROM head WHERE account IN (SELECT value FROM json_each(?))"


class SqliteBulk:
    """A `bulk.BulkLedger`. Raises ConfigError when an engine runs on that file, or the file is not ours."""

    most_accounts = CHUNK

    def __init__(self, path: Path) -> None:
        create(path)
        self._lock = lock(path.parent)
        try:
            self._connection = open_writer(path)
        except ConfigError:
            os.close(self._lock)
            raise
        self._connection.pragma("cache_size", -CACHE_KB)
        self._connection.wal_autocheckpoint(CHECKPOINT_PAGES)

    def present(self, accounts: list[AccountId]) -> set[AccountId]:
        rows = self._connection.execute(_PRESENT, (msgspec.json.encode(accounts).decode(),))
        return {AccountId(str(account)) for (account,) in rows}

    def write(self, rows: list[NewAccountRows]) -> None:
        rows = sorted(rows, key=lambda one: one.account)  # neighbours in the indexes come one after another
        try:
            with self._connection:
                self._insert("head", HEAD, [one.head for one in rows])
                self._insert("journal", JOURNAL, [row for one in rows for row in one.journal])
                self._insert("entries", ENTRIES, [row for one in rows for row in one.entries])
                self._insert("vault", VAULT, sorted(row for one in rows for row in one.vault))
        except apsw.ConstraintError as error:
            raise BulkTakenError("a PAN leads to another card already") from error

    def close(self) -> None:
        self._connection.close()
        os.close(self._lock)

    def _insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        words = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({','.join('?' * len(columns))})"
        self._connection.executemany(words, rows)
