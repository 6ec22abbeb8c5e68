"""Bulk into the embedded ledger. Its engine is stopped meanwhile: one process writes, and holds the lock to say so.

An order is one transaction, durable like any other: what a killed import leaves is its whole orders.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import apsw

from authsvc.errors import LedgerDownError
from authsvc.ledger.bulk import Fate, Opened, fates, taken
from authsvc.ledger.sqlite_file import create, lock, open_writer

CHUNK = 500
"""Rows of one statement: the interpreter lock is given away once for all of them. Longer texts are not kept prepared."""
CACHE_KB = 256 * 1024
"""PAN hashes are random, so every order touches most pages of their index: those of four million cards stay in memory."""
CHECKPOINT_PAGES = 32_000
"""128 MB of log between two checkpoints: pages that many orders touch are written back once. Nobody waits for answers."""
# Documents come as bytes and are stored as the text they are: no copy in another encoding.
HEADS = """
WITH new (account, hash) AS (VALUES {rows}) INSERT INTO head (account, seq, hash) SELECT account, 1, hash FROM new"""
STATES = """
WITH new (account, state) AS (VALUES {rows})
INSERT INTO states (account, seq, state) SELECT account, 1, CAST(state AS TEXT) FROM new"""
JOURNAL = """
WITH new (account, at, decision, hash) AS (VALUES {rows})
INSERT INTO journal (account, seq, at, kind, key, rrn, stan, decision, hash)
SELECT account, 1, at, 'import_account', 0, '', '', CAST(decision AS TEXT), hash FROM new"""
ENTRIES = """
WITH new (account, leg, at, posting, kind, card, debit, credit, amount) AS (VALUES {rows})
INSERT INTO entries (account, seq, leg, at, posting, kind, card, debit, credit, amount)
SELECT account, 1, leg, at, posting, kind, card, debit, credit, amount FROM new"""
VAULT = "INSERT INTO vault (pan_hash, account, card, last4, sealed_pan) VALUES {rows}"
# CROSS: one look into the index for each, whatever the planner thinks; else it reads the whole vault for every order.
KNOWN = """
WITH asked (pan_hash) AS (VALUES {rows}) SELECT vault.pan_hash, account FROM asked CROSS JOIN vault USING (pan_hash)"""

Value = str | bytes | int


class SqliteBulk:
    """A `bulk.BulkLedger`. Raises ConfigError when an engine is running on the same data."""

    def __init__(self, path: Path) -> None:
        create(path)
        self._lock = lock(path.parent)
        try:
            self._connection = open_writer(path)
        except BaseException:
            os.close(self._lock)
            raise
        self._connection.pragma("cache_size", -CACHE_KB)
        self._connection.wal_autocheckpoint(CHECKPOINT_PAGES)

    def close(self) -> None:
        self._connection.close()  # the last to close checkpoints
        os.close(self._lock)

    def open(self, accounts: Sequence[Opened]) -> list[Fate]:
        """See `bulk.BulkLedger.open`."""
        try:
            found = fates(accounts, self._known(accounts))
            with self._connection:
                self._insert(taken(accounts, found))
        except apsw.Error as error:
            raise LedgerDownError(f"the ledger cannot be written: {type(error).__name__}: {error}") from error
        return found

    def _known(self, accounts: Sequence[Opened]) -> dict[bytes, str]:
        """Sorted, as all that goes by random keys: neighbours are on the same page."""
        hashes: list[tuple[Value, ...]] = sorted({(row[0],) for account in accounts for row in account.vault})
        return dict(self._run(KNOWN, hashes))

    def _insert(self, accounts: Sequence[Opened]) -> None:
        journal = [(each.account, each.at, each.decision, each.hash) for each in accounts]
        vault = sorted(row for each in accounts for row in each.vault)
        self._run(HEADS, [(each.account, each.hash) for each in accounts])
        self._run(STATES, [(each.account, each.state) for each in accounts])
        self._run(JOURNAL, journal)
        self._run(ENTRIES, [row for each in accounts for row in each.entries])
        self._run(VAULT, vault)

    def _run(self, template: str, rows: Sequence[tuple[Value, ...]]) -> list[tuple[Any, ...]]:
        """What all its statements find."""
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            statement = _sql(template, len(part), len(part[0]))
            found += self._connection.execute(statement, list(chain.from_iterable(part)))
        return found


@cache
def _sql(template: str, rows: int, width: int) -> str:
    return template.format(rows=",".join([f"({','.join('?' * width)})"] * rows))
