"""Accounts that begin their life in a ledger by thousands, each with one decision that was made elsewhere (`importing`).

Which of them are there already is known by their cards: the PAN's keyed hash is unique in the vault, and nothing else about an
account that comes again is sure to be the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

EntryRow = tuple[str, int, int, str, str, str, str, str, int]
"""account, leg, at, posting, kind, card, debit, credit, amount."""
VaultRow = tuple[bytes, str, str, str, bytes]
"""pan_hash, account, card, last4, sealed_pan."""


class Opened(NamedTuple):
    """An account's first decision and what goes with it. `decision`, `state`: JSON; `hash`: of the decision."""

    account: str
    at: int
    decision: bytes
    hash: bytes
    state: bytes
    entries: Sequence[EntryRow]
    vault: Sequence[VaultRow]


class Fate(Enum):
    """`THERE`: all its PANs lead to cards of one account already; `REFUSED`: some do, or to several."""

    TAKEN = "taken"
    THERE = "there"
    REFUSED = "refused"


class BulkLedger(Protocol):
    """One call at a time. Everything raises ConfigError or LedgerDownError when it cannot be done."""

    def open(self, accounts: Sequence[Opened]) -> list[Fate]:
        """Make them durable, but for those that are there or cannot be, and say what became of each."""
        ...

    def close(self) -> None: ...


def fates(accounts: Sequence[Opened], known: Mapping[bytes, str]) -> list[Fate]:
    """By the PANs that lead to accounts already, and those of the accounts before in the same order."""
    leads, found = dict(known), []
    for account in accounts:
        owners = {leads.get(row[0]) for row in account.vault}
        if owners == {None} and len({row[0] for row in account.vault}) == len(account.vault):
            leads.update((row[0], account.account) for row in account.vault)
            found.append(Fate.TAKEN)
        else:
            found.append(Fate.THERE if len(owners) == 1 and None not in owners else Fate.REFUSED)
    return found


def taken(accounts: Sequence[Opened], found: Sequence[Fate]) -> list[Opened]:
    return [account for account, fate in zip(accounts, found, strict=True) if fate is Fate.TAKEN]
