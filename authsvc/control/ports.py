"""What the control API needs of the rest of the engine; `cli` hands it in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from authsvc.ledger.journal import VaultEntry
from authsvc.model import (
    Account,
    AccountId,
    Actor,
    CardId,
    CardRef,
    Command,
    Decision,
    Minor,
    Presentment,
    Reversal,
    UnixMs,
    VirtualId,
)

MetricsText = Callable[[], Awaitable[bytes]]
"""All metrics in the Prometheus text format."""


class LogSettings(NamedTuple):
    """`level`: debug, info, warning, error; `one_in`: how many messages one line is for, 0: no lines for messages."""

    level: str
    one_in: int


class OpenLink(Protocol):
    """A connection of an acquirer as it is now; see `link.OpenLink`."""

    @property
    def listener(self) -> str: ...
    @property
    def peer(self) -> str: ...
    @property
    def signed_on(self) -> bool: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def answered(self) -> int: ...
    @property
    def refused(self) -> int: ...
    @property
    def open(self) -> float: ...
    @property
    def silent(self) -> float: ...
    @property
    def paused(self) -> list[str]: ...


OpenLinks = Callable[[], Sequence[OpenLink]]


class Dependencies(NamedTuple):
    """Each by name, and whether it can be used right now. `needed`: without it nothing is authorized; `useful`: without it we
    are slower."""

    needed: dict[str, bool]
    useful: dict[str, bool]


Readiness = Callable[[], Dependencies]


class Engine(Protocol):
    """Where commands are decided, and where accounts and their journals are read.

    All of it may raise LedgerDownError; `command` also StaleAccountError (lost every race) and PanTakenError.
    """

    async def command(self, command: Command, vault: VaultEntry | None = None, actor: Actor | None = None) -> Decision:
        """Decided and durable. A repeat (same idempotency key, same fingerprint) gets the earlier decision; the same
        key with another fingerprint is Refused(DUPLICATE)."""

    async def present(self, request: Presentment | Reversal, actor: Actor | None = None) -> Decision:
        """The same for a presentment, or the reversal of one, that came by no message. The request of a decision made now is
        `request` itself."""

    async def card_named(self, pan_or_card: str) -> CardRef | None:
        """Where a PAN or a card id leads; None for an unknown card id. An unknown PAN leads to a stray account."""

    async def account(self, account: AccountId) -> Account | None:
        """The account as of its last decision, None when there is none by this id."""

    async def card_account(self, card: CardId) -> AccountId | None:
        """The account a card belongs to, None when there is no such card."""

    async def journal(self, account: AccountId, after: int, limit: int) -> list[Decision]:
        """At most `limit` decisions of the account with a sequence number above `after`, in order."""

    async def movements(
        self, account: AccountId, since: UnixMs, until: UnixMs, after: int, limit: int
    ) -> list[Decision]:
        """At most `limit` decisions that moved money of the account in that time, with a sequence number above `after`."""

    async def balance_before(self, account: AccountId, at: UnixMs) -> Minor:
        """The balance of the account before that moment, grosze."""

    async def trial_balance(self, until: UnixMs) -> dict[str, Minor]:
        """Each account of the general ledger, grosze: debits above zero, credits below."""

    async def find(self, rrn: str, stan: str, account: str) -> list[Decision]:
        """The decisions on messages that match every criterion that is not ""."""

    async def since(self, position: int, limit: int) -> list[tuple[int, Decision]]:
        """Decisions of all accounts behind a journal position, in the order in which they were taken, each with its own."""

    async def reload(self, actor: Actor) -> str:
        """Put the files of products on disk in force; "", or what is wrong with them, and then nothing has changed."""

    @property
    def log(self) -> LogSettings: ...

    async def set_log(self, wanted: LogSettings, actor: Actor) -> None:
        """In force as soon as it is in the journal who wants it; in this worker."""

    @property
    def version(self) -> str:
        """Of the product files in force."""

    async def orders(self, at: UnixMs, position: int, limit: int) -> list[tuple[int, Decision]]:
        """Decisions that no message asked for, by time, behind that time and journal position, each with its own."""

    def now(self) -> UnixMs:
        """The engine's time, simulated or not."""


class Mint(Protocol):
    """Randomness and secrets. With an idempotency key the ids are derived from it, so a repeat finds the same ones."""

    def account_id(self, idempotency: str) -> AccountId: ...

    def card_id(self, account: AccountId, idempotency: str) -> CardId: ...

    def virtual_id(self, card: CardId, idempotency: str) -> VirtualId: ...

    def number_secrets(self, pan: str, virtual: VirtualId) -> tuple[bytes, bytes]:
        """The keyed hash that finds a device number, and the number sealed for the vault."""

    def pan(self, bin_: str) -> str:
        """A new PAN in the BIN, random, with its Luhn digit."""

    def card_secrets(self, pan: str, pin: str, card: CardId) -> tuple[str, bytes, bytes]:
        """The PVV of the PIN, the keyed hash that finds the PAN, and the PAN sealed for the vault."""

    def cavv(self, number: int, card: CardId, merchant: str, amount: int, currency: str) -> str:
        """The proof of a 3-D Secure authentication."""

    async def new_pvv(self, card: CardId, pin: str) -> str:
        """The PVV of a new PIN of a card that is in the vault."""
