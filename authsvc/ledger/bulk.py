"""Rows of many new accounts on their way to the disk, the same for every ledger: what `append` would have written, and
nothing that is there already."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from authsvc.errors import AuthsvcError
from authsvc.ledger.journal import VaultEntry
from authsvc.model import AccountId

Row = tuple[str | bytes | int | None, ...]


class BulkTakenError(AuthsvcError):
    """A PAN leads to another card already; nothing of the chunk was written."""


class NewAccountRows(Struct, gc=False):
    """Of one account: its head, its journal in order, its entries, its cards; as tuples in the order of the columns."""

    account: AccountId
    head: Row
    journal: list[Row]
    entries: list[Row]
    vault: list[Row]


HEAD = ("account", "seq", "hash", "state")
JOURNAL = ("account", "seq", "at", "kind", "key", "rrn", "stan", "decision", "hash")
ENTRIES = ("account", "seq", "leg", "at", "posting", "kind", "card", "debit", "credit", "amount")
VAULT = ("pan_hash", "account", "card", "last4", "sealed_pan")


class BulkLedger(Protocol):
    """Where they go."""

    most_accounts: int
    """Of one chunk."""

    def present(self, accounts: list[AccountId]) -> set[AccountId]:
        """Those that have a head already."""
        ...

    def write(self, rows: list[NewAccountRows]) -> None:
        """All of them, durable, or none. Raises BulkTakenError."""
        ...

    def close(self) -> None: ...


def vault_row(entry: VaultEntry) -> Row:
    return entry.pan_hash, entry.account, entry.card, entry.last4, entry.sealed_pan
