"""Parts of a real engine in the test's own event loop, put together as `engine.build` does it: for tests of one part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from authsvc.config import Config, load
from authsvc.decider import Decider
from authsvc.ledger.journal import VaultEntry
from authsvc.ledger.sqlite import SqliteLedger
from authsvc.metrics import Metrics
from authsvc.model import (
    Account,
    AccountId,
    ActivateCard,
    Authorization,
    CardId,
    Decision,
    Entry,
    IssueCard,
    Kind,
    Load,
    Minor,
    OpenAccount,
    Origin,
    Original,
    Reversal,
    UnixMs,
)
from authsvc.products import Products, load_products
from authsvc.rules.evolve import evolve
from authsvc.security.hsm import SoftHsm
from authsvc.security.keys import load_keys
from authsvc.security.mint import Mint
from authsvc.security.vault import Vault
from authsvc.state.connection import RedisConnection
from authsvc.state.copy import RedisState
from authsvc.state.embedded import EmbeddedValkey

ROOT = Path(__file__).parents[1]
NOON = UnixMs(1_781_517_600_000)  # 2026-06-15 12:00 in Warsaw
PRODUCTS: Products = load_products(ROOT / "config/products", ROOT / "config/response_codes")
KEYS = load_keys(ROOT / "config/keys/demo.toml")
NO_REDIS = "redis://127.0.0.1:1"
ACCOUNT, CARD = AccountId("acc-1"), CardId("card-1")
PAN, PIN, EXPIRY = "5575290000000019", "1234", "2812"


class Parts:
    """`decider` with what it stands on. `now` is the time."""

    def __init__(self, ledger: SqliteLedger, state: RedisState, metrics: Metrics, within: float) -> None:
        self.now = NOON
        self.ledger = ledger
        self.state = state
        self.metrics = metrics
        self.decider = Decider(PRODUCTS, state, ledger, lambda: self.now, metrics, within)
        self.hsm = SoftHsm(KEYS)
        self.vault = Vault(KEYS, ledger.vault_by_hash, ledger.vault_by_card)
        self.mint = Mint(KEYS, self.hsm, self.vault)

    async def with_card(
        self, money: int = 1_000_00, account: AccountId = ACCOUNT, card: CardId = CARD, pan: str = PAN
    ) -> None:
        """An account with money and an active card."""
        pvv, pan_hash, sealed = self.mint.card_secrets(pan, PIN, card)
        await self.decider.decide(OpenAccount(account, "prepaid-bps"))
        if money:
            await self.decider.decide(Load(account, Minor(money), "r"))
        entry = VaultEntry(pan_hash, account, card, pan[-4:], sealed)
        await self.decider.decide(IssueCard(account, card, pan[-4:], EXPIRY, pvv), vault=entry)
        await self.decider.decide(ActivateCard(account, card))

    async def account(self) -> Account:
        found = await self.ledger.head(ACCOUNT)
        assert found is not None
        return found.account

    async def held(self) -> int:
        return sum(hold.amount for hold in (await self.account()).holds)

    def count(self, name: str) -> float:
        """The value of a counter without labels, or the sum over its labels."""
        lines = self.metrics.render().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


@asynccontextmanager
async def parts(folder: Path, redis_url: str, within: float = 5.0) -> AsyncIterator[Parts]:
    """Everything open; closed afterwards."""
    metrics = Metrics(CollectorRegistry(), products=PRODUCTS, listeners=("main",))
    ledger = SqliteLedger(folder / "ledger.sqlite", evolve)
    connection = RedisConnection(redis_url, timeout_ms=500)  # more than the engine's 50: the machine is shared
    state = RedisState(connection, ledger.head, metrics)
    await ledger.open()
    await connection.start()
    yield Parts(ledger, state, metrics, within)
    await state.close()
    await ledger.close()


@asynccontextmanager
async def running_valkey(folder: Path) -> AsyncIterator[EmbeddedValkey]:
    valkey = EmbeddedValkey(folder)
    await valkey.start()
    yield valkey
    await valkey.stop()


def payment(stan: int = 1, amount: int = 10_00, mti: str = "0100", **more: object) -> Authorization:
    """A chip purchase; any field of `Authorization` may differ."""
    origin = Origin(mti, "0615100000", f"{stan:06}", "123456", "TERM0001", "MERCHANT0000001", f"RRN{stan:09}")
    request = Authorization(
        account=ACCOUNT, card=CARD, origin=origin, fingerprint=f"{stan}-{amount}", kind=Kind.PURCHASE,
        amount=Minor(amount), currency="985", entry=Entry.CHIP, mcc="5411", country="616",
    )  # fmt: skip
    return replace(request, **more)


def reversal_of(request: Authorization, stan: int, mti: str = "0400") -> Reversal:
    origin = replace(request.origin, mti=mti, stan=f"{stan:06}")
    original = Original(request.origin.mti, request.origin.stan, request.origin.sent, request.origin.acquirer)
    return Reversal(ACCOUNT, CARD, origin, f"reversal {stan}", original, request.amount, "985")


def code(decision: Decision) -> str:
    """DE39."""
    assert decision.answer is not None
    return decision.answer.response_code


async def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until `holds()`."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.005)


def settings(folder: Path, **more: object) -> Config:
    """The settings of an engine in `folder` on ports of the system's choice."""
    overrides = [f"data_dir={folder}", "clock=simulated", "listeners.main.port=0", "control.port=0"]
    return load(ROOT / "config/demo.toml", [*overrides, *(f"{key}={value}" for key, value in more.items())])
