"""What the control API asks of the engine, answered by its parts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from authsvc import logs
from authsvc.codec.pan import is_pan
from authsvc.control.ports import LogSettings
from authsvc.decider import Decider
from authsvc.ledger.journal import VaultEntry
from authsvc.ledger.postgres import PostgresLedger
from authsvc.ledger.sqlite import SqliteLedger
from authsvc.logs import MessageLog
from authsvc.model import (
    BANK,
    Account,
    AccountId,
    Actor,
    CardId,
    CardRef,
    Command,
    Decision,
    Minor,
    Operate,
    Operation,
    Presentment,
    Reversal,
    UnixMs,
)
from authsvc.security.vault import Vault, reference


class ControlPort:
    """What the control API asks of the engine (`control.ports.Engine`)."""

    def __init__(
        self,
        decider: Decider,
        ledger: SqliteLedger | PostgresLedger,
        vault: Vault,
        message_log: MessageLog,
        version: Callable[[], str],
        reload: Callable[[Actor], Awaitable[str]],
    ) -> None:
        """`version`: of the product files in force; `reload`: puts those on the disk in force, see `control.ports.Engine`."""
        self._decider = decider
        self._ledger = ledger
        self._vault = vault
        self._message_log = message_log
        self._version = version
        self._reload = reload

    async def command(self, command: Command, vault: VaultEntry | None = None, actor: Actor | None = None) -> Decision:
        return await self._decider.decide(command, vault=vault, actor=actor)

    async def present(self, request: Presentment | Reversal, actor: Actor | None = None) -> Decision:
        return await self._decider.decide(request, actor=actor)

    async def card_named(self, pan_or_card: str) -> CardRef | None:
        if is_pan(pan_or_card):
            return await self._vault.find(pan_or_card)
        entry = await self._ledger.vault_by_card(CardId(pan_or_card))
        return None if entry is None else reference(entry)

    async def account(self, account: AccountId) -> Account | None:
        return await self._decider.account(account)

    async def card_account(self, card: CardId) -> AccountId | None:
        entry = await self._ledger.vault_by_card(card)
        return None if entry is None else entry.account

    async def journal(self, account: AccountId, after: int, limit: int) -> list[Decision]:
        return [row.decision for row in await self._ledger.journal(account, after, limit)]

    async def movements(
        self, account: AccountId, since: UnixMs, until: UnixMs, after: int, limit: int
    ) -> list[Decision]:
        return [row.decision for row in await self._ledger.movements(account, since, until, after, limit)]

    async def balance_before(self, account: AccountId, at: UnixMs) -> Minor:
        return await self._ledger.balance_before(account, at)

    async def trial_balance(self, until: UnixMs) -> dict[str, Minor]:
        return await self._ledger.trial_balance(until)

    async def find(self, rrn: str, stan: str, account: str) -> list[Decision]:
        return [row.decision for row in await self._ledger.find(rrn, stan, account)]

    async def since(self, position: int, limit: int) -> list[tuple[int, Decision]]:
        return [(row.position, row.decision) for row in await self._ledger.since(position, limit)]

    async def reload(self, actor: Actor) -> str:
        return await self._reload(actor)

    @property
    def log(self) -> LogSettings:
        return LogSettings(logs.level(), self._message_log.one_in)

    async def set_log(self, wanted: LogSettings, actor: Actor) -> None:
        told = f"{wanted.level}, messages one in {wanted.one_in}"
        await self._decider.decide(Operate(BANK, Operation.LOG, told), actor=actor)
        logs.set_level(wanted.level)
        self._message_log.one_in = wanted.one_in

    @property
    def version(self) -> str:
        return self._version()

    async def orders(self, at: UnixMs, position: int, limit: int) -> list[tuple[int, Decision]]:
        return [(row.position, row.decision) for row in await self._ledger.orders(at, position, limit)]

    def now(self) -> UnixMs:
        return self._decider.now()
