"""The parts put together and kept running. The only place that names concrete classes; tests call the same `build`."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import uvicorn
from msgspec import structs
from prometheus_client import CollectorRegistry

from authsvc.clock import Clock, SimulatedClock, SystemClock
from authsvc.config import EMBEDDED, Config, ListenerConfig, TlsConfig, control_of, is_cluster
from authsvc.control.app import build_app
from authsvc.control.ports import Dependencies
from authsvc.control.tokens import Tokens
from authsvc.control_port import ControlPort
from authsvc.control_server import ControlServer, bound_socket, check_tls, naming
from authsvc.decider import Decider
from authsvc.doors import affordable
from authsvc.enum_members import find_at_once
from authsvc.errors import ConfigError, LedgerDownError, NotThereError
from authsvc.gauges import Held
from authsvc.handover import NO_PLACE, Channel, Place
from authsvc.ledger.postgres import START_SECONDS, PostgresLedger
from authsvc.ledger.sqlite import SqliteLedger
from authsvc.link import Handler
from authsvc.logs import MessageLog, get_logger, log_loop_exception
from authsvc.message_mac import MessageMac
from authsvc.metrics import CONTROL, Metrics
from authsvc.model import (
    BANK,
    Actor,
    Operate,
    Operation,
    UnixMs,
)  # fmt: skip
from authsvc.pipeline import Pipeline
from authsvc.process_memory import collecting_when_quiet, keep_freed
from authsvc.products import Products
from authsvc.reload import ProductsInForce, Reloader, labels_of
from authsvc.rules.evolve import evolve
from authsvc.security.draws import Draws
from authsvc.security.hsm import SoftHsm
from authsvc.security.mint import Mint
from authsvc.security.tls import expires
from authsvc.security.vault import Vault
from authsvc.security.zones import Zones
from authsvc.seed import Seeded, load_demo_cards, seed
from authsvc.seldom import Seldom
from authsvc.server import Server
from authsvc.settings_files import check_listeners, keys_of, products_of
from authsvc.state.connection import Connection, RedisConnection
from authsvc.state.copy import RedisState
from authsvc.state.embedded import EmbeddedValkey
from authsvc.state.recent import RecentHeads
from authsvc.sweeper import Sweeper

log = get_logger(__name__)

COPY_PATIENCE_SECONDS = 1.0
"""How far the Redis copy may be behind where nobody else decides: a busy account is written once in that time, one that stays
busy or has many holds not so often (`copy.LONGEST_REST`, `copy.RESTED_BYTES`)."""
DRAIN_SECONDS = 10.0
"""How long a stop waits for messages under way; they are all waiting for one commit, so this is generous."""
HAND_OVER_SECONDS = 5.0
"""How long a peer may take to read its answers, when its link is to go to our successor."""
RETIREMENT_SECONDS = 1.0
"""How long links that cannot go there are still served: who has just connected gets an answer."""
SCRAPE_SECONDS = 1.0
"""How long a scrape waits for the ledger: monitoring must not hang where the ledger does."""
SLOW_COMMIT_SECONDS = 0.25
"""From which on a commit is worth a line in the log: all its messages wait for it (the alert is AuthsvcLedgerSlow)."""
DEMO_CARDS = Path("config/demo/cards.toml")
LEDGER_FILE = "ledger.sqlite"


class Engine:
    """One worker: built by `build`, then `start`, `run`, `stop`, each once. `worker`: which one, counted from 1; `place`:
    what its parent keeps for it."""

    def __init__(self, config: Config, products: Products, worker: int = 1, place: Place = NO_PLACE) -> None:
        self._place = place
        self._adopting: asyncio.Task[None] | None = None
        self._grace = 0.0
        self.config = config
        self.products = ProductsInForce(products)
        self.worker = worker
        self.seeded: list[Seeded] = []
        self.ports: dict[str, int] = {}
        self._ready = False
        self._stopping = asyncio.Event()
        self._seldom = Seldom()
        self._exit_code = 0
        self._to_close = AsyncExitStack()
        self._build()

    def _build(self) -> None:
        config = self.config
        try:
            config.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"data_dir: {config.data_dir}: {error.strerror}") from error
        keys = keys_of(config)
        bins, currencies = labels_of(self.products)
        self.metrics = Metrics(
            CollectorRegistry(), products=self.products, listeners=config.listeners, bins=bins, currencies=currencies
        )
        self.metrics.gauges.watch_files(config.data_dir, (LEDGER_FILE, f"{LEDGER_FILE}-wal"))
        self.reloader = Reloader(self.products, lambda: products_of(config), self.metrics, self._record_products)
        self.clock: Clock = SimulatedClock(config.data_dir / "clock") if config.clock == "simulated" else SystemClock()
        self.metrics.gauges.watch_clock(self.clock, time.monotonic)
        self.ledger = self._make_ledger()
        self._valkey = EmbeddedValkey(config.data_dir) if config.redis.url == EMBEDDED else None
        url = self._valkey.url if self._valkey else config.redis.url
        self._connection = _connection_to(url, self.metrics.state_up)
        alone = config.ledger.url == EMBEDDED
        self.state = RedisState(self._connection, self.ledger.head, self.metrics, COPY_PATIENCE_SECONDS if alone else 0)
        self.decider = Decider(
            self.products, self.state, self.ledger, self.clock, self.metrics, config.answer_within_ms / 1000,
            RecentHeads(config.limits.recent_accounts_kb * 1024 if alone else 0),
        )  # fmt: skip
        self.sweeper = Sweeper(self.decider, self.ledger, self.metrics, config.sweep_seconds, config.closed_holds_days)
        hsm = SoftHsm(keys)
        self.vault = Vault(keys, self.ledger.vault_by_hash, self.ledger.vault_by_card)
        self.mint = Mint(keys, hsm, self.vault)
        self.message_log = MessageLog(config.log.one_in if config.log.messages else 0)
        self._draws = Draws(keys)
        self._zones = Zones(keys, hsm, config.data_dir, config.limits.key_overlap_seconds, time.time)
        self._handlers = {name: self._handler_of(listener) for name, listener in config.listeners.items()}
        limits = structs.replace(config.limits, connections=affordable(config.limits.connections))
        self.server = Server(next(iter(self._handlers.values())), self.metrics, limits)
        self._control = self._build_control()

    def _handler_of(self, listener: ListenerConfig) -> Handler:
        """What stands between a listener's links and the decisions."""
        pipeline = Pipeline(
            self.decider, self.vault, self._zones.hsm_of(listener), self._draws, self.products, self.metrics,
            self.message_log, self._zones.exchange_of(listener), frozenset(listener.acquirers),
        )  # fmt: skip
        if listener.mac == "off":
            return pipeline
        return MessageMac(pipeline, self._zones.macs_of(listener), listener.mac == "required", self.metrics)

    def _make_ledger(self) -> SqliteLedger | PostgresLedger:
        config, committed = self.config, self._committed
        if config.ledger.url == EMBEDDED:
            return SqliteLedger(config.data_dir / LEDGER_FILE, evolve, committed, self._ledger_failed)
        return PostgresLedger(
            config.ledger.url, committed, self._ledger_failed, self.metrics.ledger_up, config.ledger.partitions,
            given_up=self._stopping,
            # Whoever is to take over gives up at once: the one before goes on.
            start_seconds=START_SECONDS if self._place.before is None else 0,
        )  # fmt: skip

    def _build_control(self) -> ControlServer:
        control = self.config.control
        tokens = Tokens(
            control.tokens, Path(control.token_file) if control.token_file else None,
            lambda: UnixMs(time.time_ns() // 1_000_000),
        )  # fmt: skip
        clock = self.clock if isinstance(self.clock, SimulatedClock) else None
        app = build_app(
            ControlPort(
                self.decider, self.ledger, self.vault, self.message_log, lambda: self.reloader.version, self.reload
            ),
            self.products, tokens.find, self.scrape, self.readiness, clock, self.mint,
            self.metrics.control_refused,
            self.server.links,
        )  # fmt: skip
        check_tls(control.tls)
        self._tell_expiry()
        return ControlServer(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=5,
                ssl_certfile=control.tls.cert or None,
                ssl_keyfile=control.tls.key or None,
            )
        )

    async def start(self) -> None:
        """Everything up, in the order in which it is needed; the ports open last. Raises ConfigError naming the key."""
        if self._valkey is not None:
            self._to_close.push_async_callback(self._valkey.stop)
            await self._valkey.start()
        await self.ledger.open()
        self._to_close.push_async_callback(self.ledger.close)
        self.metrics.ledger_up(True)
        await self._connection.start()
        self._to_close.push_async_callback(self.state.close)
        if self.config.seed_demo and self.worker == 1:
            cards = load_demo_cards(DEMO_CARDS, self.products)
            self.seeded = await seed(cards, self.decider, self.mint, self.products)
        await self.reloader.record_start()
        for name, listener in self.config.listeners.items():
            with naming(f"listeners.{name}.port", listener.host, listener.port):
                bound = self._place.sockets.get(name)
                self.ports[name] = await self.server.listen(name, listener, self._handlers[name], bound)
        control = control_of(self.config, self.worker)
        with naming("control.port", control.host, control.port):
            self.ports["control"] = await self._control.begin(
                self._place.sockets.get("control") or bound_socket(control.host, control.port)
            )
        self._to_close.push_async_callback(self._control.end)
        if self.worker == 1:  # two sweepers would only race for the same accounts
            self.sweeper.start()
            self._to_close.push_async_callback(self.sweeper.stop)
        if self._place.before is not None:
            self._adopting = asyncio.get_running_loop().create_task(self._adopt(self._place.before))
        self._ready = True

    async def _adopt(self, before: Channel) -> None:
        """The links of the worker that was in our place, until it has ended."""
        count = 0
        while (found := await before.receive()) is not None:
            try:
                await self.server.adopt(*found)
                count += 1
            except OSError as error:
                log.warning("a link was gone before it was taken over", problem=type(error).__name__)
        before.close()
        log.info("links taken over", count=count, worker=self.worker)

    @property
    def told_to_stop(self) -> bool:
        return self._stopping.is_set()

    def request_stop(self) -> None:
        """What SIGTERM does."""
        self._stopping.set()

    def request_retirement(self) -> None:
        """What SIGUSR1 does: stop, but first hand links over to our successor, which listens by now, and serve the others for a
        moment."""
        self._grace = RETIREMENT_SECONDS
        self._stopping.set()

    async def run(self) -> int:
        """Until SIGTERM, SIGINT, or a ledger that cannot remember any more; the exit code."""
        await self._stopping.wait()
        await self.stop()
        return self._exit_code

    async def stop(self) -> None:
        """Readiness first; accepted messages answered; then close what was opened, in the reverse order."""
        self._ready = False
        if self._adopting is not None and not self._grace:
            self._adopting.cancel()
        if self._grace and self._place.heir is not None:
            if self._adopting is not None:
                await asyncio.wait([self._adopting], timeout=HAND_OVER_SECONDS)
            count = await self.server.hand_over(self._place.heir, HAND_OVER_SECONDS)
            log.info("links handed over", count=count, worker=self.worker)
        if not await self.server.drain(DRAIN_SECONDS, self._grace):
            log.error("drain took too long", limit=int(DRAIN_SECONDS))
        await self._to_close.aclose()

    async def scrape(self) -> bytes:
        """All metrics. Those that have to be asked of the ledger are left out while it does not answer."""
        now, holds, held = self.clock(), None, None
        try:
            async with asyncio.timeout(SCRAPE_SECONDS):
                holds = await self.ledger.open_holds(now)
            async with asyncio.timeout(SCRAPE_SECONDS):  # apart: an alert looks at the numbers above
                held = await self.ledger.held_by_product()
        except (LedgerDownError, TimeoutError) as error:
            log.warning("holds cannot be counted", problem=type(error).__name__)
        self.metrics.gauges.holds(holds, now)
        self.metrics.gauges.held(None if held is None else {name: held.get(name, Held()) for name in self._sold} | held)
        return self.metrics.render()

    @property
    def _sold(self) -> Iterator[str]:
        """The products that accounts are of."""
        return (name for name in self.products if name != "none")

    async def _record_products(self, version: str, content: str, actor: Actor | None) -> None:
        """A decision of the bank's own journal, unless that version is its last one: another worker has told it, or the last
        start did."""
        last = ""
        after = 0
        while rows := await self.ledger.journal(BANK, after):
            after = rows[-1].seq
            made = [row.decision.request for row in rows if isinstance(row.decision.request, Operate)]
            last = next((each.version for each in reversed(made) if each.what is Operation.PRODUCTS), last)
        if last != version:
            await self.decider.decide(Operate(BANK, Operation.PRODUCTS, version, content), actor=actor)

    async def reload(self, actor: Actor) -> str:
        """What the control API's reload does, and what is wrong: here first; when the product files are right, every other
        worker reads them and the certificates too."""
        problem = await self.reloader.reload(actor)
        if not problem and self.config.workers > 1:
            os.kill(os.getppid(), signal.SIGHUP)
        return "; ".join(each for each in (problem, self._renew_certificates()) if each)

    def request_reload(self) -> None:
        """What SIGHUP does."""
        self._reloading = asyncio.get_running_loop().create_task(self.reloader.reload())
        self._renew_certificates()

    def _renew_certificates(self) -> str:
        """Those of listeners and of the control API, each for itself; what is wrong with some, "" if nothing."""
        problems = []
        for renew in (self.server.renew_certificates, self._renew_control):
            try:
                renew()
            except ConfigError as error:
                log.error("certificates refused, those read before stay", problem=str(error))
                problems.append(str(error))
        if not problems:
            log.info("certificates renewed")
        return "; ".join(problems)

    def _renew_control(self) -> None:
        """Raises ConfigError."""
        self._control.renew(self.config.control.tls)
        self._tell_expiry()

    def _tell_expiry(self) -> None:
        tls = self.config.control.tls
        if tls.cert:
            self.metrics.certificate_expires(CONTROL, expires(TlsConfig(cert=tls.cert), "control.tls").timestamp())

    def readiness(self) -> Dependencies:
        """What authorizing depends on. Without Redis we authorize from the journal."""
        needed = {"started": self._ready, "ledger": self.ledger.healthy}
        return Dependencies(needed, {"redis": self._connection.up})

    def _committed(self, decisions: int, seconds: float) -> None:
        self.metrics.committed(decisions, seconds)
        if seconds > SLOW_COMMIT_SECONDS and (count := self._seldom.count("slow commit", time.monotonic())):
            log.warning("a commit took long", elapsed_us=int(seconds * 1_000_000), count=count)

    def _ledger_failed(self, error: BaseException) -> None:
        """A commit whose fate nobody knows: stop, and let the next start read what is really on the disk."""
        log.error("the ledger failed; stopping", exc_info=error)
        self.metrics.ledger_up(False)
        self._exit_code = 1
        self._stopping.set()


def _connection_to(url: str, on_up: Callable[[bool], None]) -> Connection:
    if not is_cluster(url):
        return RedisConnection(url, on_up=on_up)
    from authsvc.state.cluster import ClusterConnection  # brings redis-py along: 8 MB that one Redis does without

    return ClusterConnection(url, on_up=on_up)


def build(config: Config, worker: int = 1, place: Place = NO_PLACE) -> Engine:
    """An engine from settings. Everything that can be wrong with files is found here, before anything listens.

    Raises ConfigError naming the key.
    """
    check_listeners(config)
    return Engine(config, products_of(config), worker, place)


async def serve(
    config: Config,
    announce: Callable[[Engine], None],
    worker: int = 1,
    place: Place = NO_PLACE,
) -> int:
    """One worker: build, start, tell `announce`, run until told to stop. A start that fails leaves nothing running.

    Raises ConfigError, NotThereError where the ledger's server did not come in time.
    """
    asyncio.get_running_loop().set_exception_handler(log_loop_exception)
    engine = build(config, worker, place)
    for number in (signal.SIGTERM, signal.SIGINT):  # from here on: whoever reads that we are ready may end us at once
        asyncio.get_running_loop().add_signal_handler(number, engine.request_stop)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, engine.request_reload)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, engine.request_retirement)
    try:
        await engine.start()
    except BaseException as error:
        await engine.stop()
        if isinstance(error, NotThereError) and engine.told_to_stop:
            return 0
        raise
    announce(engine)
    keep_freed()
    find_at_once()
    with collecting_when_quiet(lambda: engine.server.messages):
        return await engine.run()
