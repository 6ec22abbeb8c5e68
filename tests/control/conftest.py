"""The control API over an engine, called through ASGI in the test's own event loop; no port, no network.

`engine` is the one place that says which engine that is.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from litestar import Litestar
from msgspec.structs import replace

from authsvc.clock import SimulatedClock
from authsvc.codec.pan import with_check_digit
from authsvc.control.app import build_app
from authsvc.control.roles import Role, Token, token_hash
from authsvc.ledger.journal import PanTakenError, VaultEntry
from authsvc.model import (
    NOTHING_MORE,
    Account,
    AccountId,
    Authorization,
    CardId,
    Command,
    Decision,
    Entry,
    IssueCard,
    Kind,
    Minor,
    OpenAccount,
    Origin,
    Past,
    Pin,
    Request,
    UnixMs,
    request_key,
)
from authsvc.products import Products, load_products
from authsvc.rules.decide import decide
from authsvc.rules.evolve import evolve
from authsvc.security.hsm import SoftHsm
from authsvc.security.keys import load_keys
from authsvc.security.vault import Vault

ROOT = Path(__file__).parents[2]
NOON = UnixMs(1_781_517_600_000)  # 2026-06-15 12:00 in Warsaw, 10:00 UTC


class MemoryEngine:
    """The real rules over a journal in memory; what it keeps is gone with the test."""

    def __init__(self, products: Products, clock: SimulatedClock) -> None:
        self._products = products
        self._clock = clock
        self._journals: dict[AccountId, list[Decision]] = {}
        self._accounts: dict[AccountId, Account] = {}
        self.vault: dict[bytes, VaultEntry] = {}
        self.fault: Exception | None = None
        """Raised by every command, when a test sets it."""

    async def command(self, command: Command, vault: VaultEntry | None = None) -> Decision:
        if self.fault:
            raise self.fault
        return self.decide(command, vault)

    def decide(self, request: Request, vault: VaultEntry | None = None) -> Decision:
        account = self._accounts.get(request.account, Account(id=request.account))
        product = account.product or (request.product if isinstance(request, OpenAccount) else "none")
        decision = decide(request, account, self._products[product], self._clock(), self._past(request))
        if decision.seq <= account.seq:
            return decision
        if vault and isinstance(request, IssueCard) and decision.changes:
            if vault.pan_hash in self.vault:
                raise PanTakenError
            self.vault[vault.pan_hash] = vault
        self._accounts[account.id] = evolve(account, decision)
        self._journals.setdefault(account.id, []).append(decision)
        return decision

    def _past(self, request: Request) -> Past:
        key = request_key(request)
        journal = self._journals.get(request.account, [])
        earlier = next((decision for decision in journal if key is not None and decision.key == key), None)
        return Past(earlier=earlier) if earlier else NOTHING_MORE

    async def account(self, account: AccountId) -> Account | None:
        return self._accounts.get(account)

    async def card_account(self, card: CardId) -> AccountId | None:
        return next((account.id for account in self._accounts.values() if card in account.cards), None)

    async def journal(self, account: AccountId, after: int, limit: int) -> list[Decision]:
        return [decision for decision in self._journals.get(account, []) if decision.seq > after][:limit]

    async def find(self, rrn: str, stan: str, account: str) -> list[Decision]:
        found = [decision for journal in self._journals.values() for decision in journal]
        return [decision for decision in found if _is(decision, rrn, stan, account)]

    def now(self) -> UnixMs:
        return self._clock()


def _is(decision: Decision, rrn: str, stan: str, account: str) -> bool:
    origin = getattr(decision.request, "origin", Origin("", "", ""))
    return rrn in ("", origin.rrn) and stan in ("", origin.stan) and account in ("", decision.account)


class VaultMint:
    """Ids and PANs at random, or from the idempotency key; PVVs by the soft HSM under the demo keys."""

    def __init__(self, engine: MemoryEngine) -> None:
        keys = load_keys(ROOT / "config/keys/demo.toml")
        self._hsm = SoftHsm(keys)
        self._engine = engine
        self._vault = Vault(keys, by_hash=self._by_hash, by_card=self._by_card)

    async def _by_hash(self, pan_hash: bytes) -> VaultEntry | None:
        return self._engine.vault.get(pan_hash)

    async def _by_card(self, card: CardId) -> VaultEntry | None:
        return next((entry for entry in self._engine.vault.values() if entry.card == card), None)

    def account_id(self, idempotency: str) -> AccountId:
        return AccountId("a-" + _id(idempotency))

    def card_id(self, account: AccountId, idempotency: str) -> CardId:
        return CardId("c-" + _id(idempotency and f"{account} {idempotency}"))

    def pan(self, bin: str) -> str:  # noqa: A002
        return with_check_digit(f"{bin}{secrets.randbelow(10 ** (15 - len(bin))):0{15 - len(bin)}}")

    def card_secrets(self, pan: str, pin: str, card: CardId) -> tuple[str, bytes, bytes]:
        return self._hsm.pvv(pin, pan), self._vault.pan_hash(pan), self._vault.seal(pan, card)

    async def new_pvv(self, card: CardId, pin: str) -> str:
        pan = await self._vault.pan_of(card)
        assert pan is not None
        return self._hsm.pvv(pin, pan)


def _id(seed: str) -> str:
    return hashlib.sha256(seed.encode()).hexdigest()[:16] if seed else secrets.token_hex(8)


class Answer(NamedTuple):
    status: int
    body: Any
    text: str
    headers: httpx.Headers


class Api:
    """`await api("POST", "/v1/…", {…})` → Answer; as the operator unless another role is named."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        role: str | None = "operator",
        key: str = "",
        raw: str = "",
    ) -> Answer:
        headers = {"authorization": f"Bearer test-{role}"} if role else {}
        if key:
            headers["idempotency-key"] = key
        content = raw or (json.dumps(body) if body is not None else None)
        response = await self._client.request(method, path, content=content, headers=headers)
        is_json = "json" in response.headers.get("content-type", "") and response.content
        return Answer(response.status_code, response.json() if is_json else None, response.text, response.headers)

    async def account(self, product: str = "prepaid-bps", load: int = 0, **more: object) -> str:
        answer = await self("POST", "/v1/accounts", {"product": product, **more})
        assert answer.status == 201, answer
        account: str = answer.body["account"]
        if load:
            assert (
                await self("POST", f"/v1/accounts/{account}/loads", {"amount": load, "reference": "r"})
            ).status == 201
        return account

    async def card(self, account: str, active: bool = True, **more: object) -> str:
        answer = await self("POST", f"/v1/accounts/{account}/cards", {"pin": "1234", **more})
        assert answer.status == 201, answer
        card: str = answer.body["card"]
        if active:
            assert (await self("POST", f"/v1/cards/{card}/activate")).status == 200
        return card


@pytest.fixture(scope="session")
def products() -> Products:
    return load_products(ROOT / "config/products", ROOT / "config/response_codes")


@pytest.fixture
def clock(tmp_path: Path) -> SimulatedClock:
    clock = SimulatedClock(tmp_path / "clock")
    clock.set(NOON)
    return clock


@pytest.fixture
def engine(products: Products, clock: SimulatedClock) -> MemoryEngine:
    return MemoryEngine(products, clock)


@pytest.fixture
def ready() -> dict[str, bool]:
    """What readiness says; a test may change it."""
    return {"ledger": True, "redis": True}


AppFactory = Callable[[SimulatedClock | None], Litestar]


@pytest.fixture
def app_with(engine: MemoryEngine, products: Products, ready: dict[str, bool]) -> AppFactory:
    """The app with that clock."""
    tokens = {token_hash(f"test-{role}"): Token(f"test-{role}", role) for role in Role}

    def build(clock: SimulatedClock | None) -> Litestar:
        return build_app(
            engine, products, tokens, lambda: b"answers_total 1\n", lambda: ready, clock, VaultMint(engine)
        )

    return build


@pytest.fixture
async def api(app_with: AppFactory, clock: SimulatedClock) -> AsyncIterator[Api]:
    async with client_of(app_with(clock)) as client:
        yield Api(client)


@pytest.fixture
async def api_without_clock(app_with: AppFactory) -> AsyncIterator[Api]:
    async with client_of(app_with(None)) as client:
        yield Api(client)


def client_of(app: Litestar) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://authsvc")


@pytest.fixture
def pay(engine: MemoryEngine) -> Callable[..., Decision]:
    """Authorize a chip purchase with the right PIN, by default 10.00; any field of `Authorization` may differ."""
    stans = count(1)

    def authorize(account: str, card: str, amount: int = 10_00, **more: Any) -> Decision:
        stan = f"{next(stans):06}"
        origin = Origin("0100", "0615100000", stan, "123456", "TERM0001", "MERCHANT0000001", f"RRN{stan:0>9}")
        request = Authorization(
            account=AccountId(account), card=CardId(card), origin=origin, fingerprint=stan, kind=Kind.PURCHASE,
            amount=Minor(amount), currency="985", entry=Entry.CHIP, mcc="5411", country="616", pin=Pin.RIGHT,
        )  # fmt: skip
        return engine.decide(replace(request, **more))

    return authorize
