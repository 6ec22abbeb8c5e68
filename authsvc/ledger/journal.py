"""What a ledger is: an append-only journal of decisions, one hash chain per account, and the head of each account.

Law 3: an append names the head it was decided on, and is taken only if that still is the head. Law 5: its future
resolves when the decision is on the disk, never before. `sqlite.SqliteLedger` is one; the contract tests are for all.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from authsvc.errors import AuthsvcError, LedgerDownError
from authsvc.gauges import Held, OpenHolds
from authsvc.ledger.holds import HoldRow
from authsvc.model import (
    Account,
    AccountId,
    CardId,
    Decision,
    Head,
    HoldEnd,
    HoldId,
    Key,
    Message,
    Minor,
    Original,
    Posting,
    PostingId,
    UnixMs,
)

Evolve = Callable[[Account, Decision], Account]
"""What a decision makes of an account (`rules.evolve`)."""
ZERO_HASH = bytes(32)
"""The hash before the first decision of an account."""


class PanTakenError(AuthsvcError):
    """The PAN of a new card already leads to another card. That command is refused; nothing of it was written."""


class CommitUnknownError(LedgerDownError):
    """The commit itself failed: the decision may be on the disk or not. Send no answer at all; the repeat finds out."""


class VaultEntry(Struct, frozen=True, gc=False):
    """Where a PAN leads. `pan_hash`: keyed hash of it; `sealed_pan`: encrypted by security, opaque here."""

    pan_hash: bytes
    account: AccountId
    card: CardId
    last4: str
    sealed_pan: bytes


class Row(Struct, frozen=True, array_like=True, tag=True, gc=False):
    """One decision. `seq`, `hash`: the head it was decided on; `encoded`: its bytes in the journal, `new_hash` over them;
    `state`: the account after it, b"" where the document on the disk may stay what it is."""

    account: AccountId
    seq: int
    hash: bytes
    encoded: bytes
    new_hash: bytes
    state: bytes
    vault: VaultEntry | None = None


class JournalRow(Struct, frozen=True, gc=False):
    """One decision as it was taken. `position`: global, increasing, may have gaps; `seq`: in its account, no gaps."""

    position: int
    seq: int
    hash: bytes
    decision: Decision


class Columns(Struct, frozen=True, gc=False):
    """What a journal row repeats of its decision, so that it can be found. `key` 0, `rrn` "", `stan` "": none."""

    account: AccountId
    seq: int
    at: UnixMs
    kind: str
    key: Key
    rrn: str
    stan: str


class HeadRecord(Struct, frozen=True, gc=False):
    """A head as it is on the disk. `state`: the account as of `state_seq`, undecoded."""

    seq: int
    hash: bytes
    state: bytes
    state_seq: int


class Record(Struct, frozen=True, gc=False):
    """A journal row as it is on the disk. `decision`: undecoded."""

    columns: Columns
    hash: bytes
    decision: bytes


def columns(decision: Decision) -> Columns:
    """The searchable part of a decision."""
    request = decision.request
    rrn, stan = (request.origin.rrn, request.origin.stan) if isinstance(request, Message) else ("", "")
    kind = str(request.__struct_config__.tag)
    return Columns(decision.account, decision.seq, decision.at, kind, decision.key, rrn, stan)


_NOTHING_YET = hashlib.sha256()


def chain(previous_hash: bytes, encoded_decision: bytes) -> bytes:
    """The hash of a decision: over the one before it in its account, and its own bytes in the journal."""
    chained = _NOTHING_YET.copy()  # a third of the time that a new one takes to be found
    chained.update(previous_hash + encoded_decision)
    return chained.digest()


class Ledger(Protocol):
    """Every read sees what was durable when it was called. Every call raises LedgerDownError when it cannot be done."""

    @property
    def healthy(self) -> bool:
        """False from the first fault on: nothing more will be taken."""
        ...

    async def open(self) -> None:
        """Raises ConfigError when the data is not ours to use."""
        ...

    async def close(self) -> None:
        """Takes no more, makes durable what it has, lets go."""
        ...

    def append(
        self, before: Head, decision: Decision, after: Account, vault: VaultEntry | None = None
    ) -> tuple[Head, asyncio.Future[None]]:
        """Queue a decision that was made on `before` and leads to `after`; all of it is taken, or nothing.

        Returns at once the new head, good to decide the next message on, and a future. It resolves when the decision is
        durable, or raises StaleAccountError (`before` is not the head; whatever was appended on top of this one is lost
        in the same way), PanTakenError, CommitUnknownError or LedgerDownError.
        """
        ...

    async def head(self, account: AccountId) -> Head | None:
        """The account as of its last durable decision; None when it has none."""
        ...

    async def earlier(self, account: AccountId, key: Key, stan: str) -> Decision | None:
        """The first decision on this key. `stan`: of the message that has it, "" when it is of none."""
        ...

    async def original(
        self, account: AccountId, card: CardId, original: Original, terminal: str, merchant: str
    ) -> tuple[Decision, HoldEnd | None] | None:
        """The authorization that a reversal names, and how its hold ended (None: still open, or it had none).

        Of several: the newest approved one, else the newest; a refused duplicate must not hide what it duplicated.
        """
        ...

    async def journal(self, account: AccountId, after: int = 0, limit: int = 1000) -> list[JournalRow]:
        """Decisions of the account above seq `after`, in order."""
        ...

    async def since(self, position: int, limit: int = 1000) -> list[JournalRow]:
        """Decisions of all accounts behind a position, in the order in which they were taken."""
        ...

    async def orders(self, at: UnixMs, position: int, limit: int = 1000) -> list[JournalRow]:
        """Decisions that no message asked for (commands, claims of a file), by time, behind that time and position."""
        ...

    async def find(self, rrn: str = "", stan: str = "", account: str = "", limit: int = 100) -> list[JournalRow]:
        """Decisions that match all that is given, newest first."""
        ...

    async def hold(self, account: AccountId, hold_id: HoldId) -> HoldRow | None: ...

    async def holds(self, account: AccountId) -> list[HoldRow]:
        """Open and ended ones, oldest first."""
        ...

    async def hold_by_code(self, account: AccountId, card: CardId, code: str) -> HoldRow | None:
        """The newest hold of the card with this authorization code (DE38), open or ended."""
        ...

    async def due(self, now: UnixMs, limit: int) -> list[AccountId]:
        """Accounts with open holds whose time is over at `now`, from the first `limit` such holds."""
        ...

    async def open_holds(self, now: UnixMs) -> OpenHolds:
        """All open holds in a few numbers, from an index alone: what monitoring reads."""
        ...

    async def held_by_product(self) -> dict[str, Held]:
        """The open holds of each product that has some. Takes five times as long as `open_holds`, so it is asked apart."""
        ...

    async def forget_holds(self, before: UnixMs, limit: int) -> int:
        """Delete at most `limit` holds that ended before that moment, the oldest first, and remember that they may be gone.
        Returns how many there were. The journal keeps what they were."""
        ...

    async def posting(self, account: AccountId, posting: PostingId) -> Posting | None:
        """A posting as it is now, after its reversals."""
        ...

    async def movements(
        self, account: AccountId, since: UnixMs, until: UnixMs, after: int = 0, limit: int = 1000
    ) -> list[JournalRow]:
        """Decisions of the account that moved money from `since` on and before `until`, above seq `after`, in order."""
        ...

    async def balance_before(self, account: AccountId, at: UnixMs) -> Minor:
        """The balance of the account from what moved before `at`, grosze."""
        ...

    async def trial_balance(self, until: UnixMs) -> dict[str, Minor]:
        """Each ledger account with what it holds before `until`, grosze: debits above zero, credits below; sums to zero."""
        ...

    async def vault_by_hash(self, pan_hash: bytes) -> VaultEntry | None: ...

    async def vault_by_card(self, card: CardId) -> VaultEntry | None: ...

    async def accounts(self, after: str = "", limit: int = 1000) -> list[AccountId]:
        """Accounts with a name above `after`, in order."""
        ...
