"""Workers replaced one after the other while payments flow: docs/decisions/0036-rolling-restart.md."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from conftest import Start
from e2e_bank import Plastic
from e2e_process import EngineProcess, free_port, run
from e2e_wire import Fields, Wire, decode, encode, framed
from postgres_server import PostgresServer
from test_e2e_crash import reconciles, several
from test_e2e_postgres import BankOfToday, alive, wait_until, workers_of
from tls_files import Authority, client_context

LINKS = 4
PACE_SECONDS = 0.01
"""An account has room for so many holds only."""


class Rolled(NamedTuple):
    """An engine of two workers, the port of its second listener, and the authority of that one's certificate."""

    engine: EngineProcess
    tls_port: int
    authority: Path


@pytest.fixture(scope="module")
def rolled(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Rolled]:
    """On PostgreSQL, for all tests here; the last one stops it."""
    folder, port = tmp_path_factory.mktemp("rolling"), free_port()
    authority = Authority(folder, "ours")
    cert, key = authority.sign("server", "switch", "127.0.0.1")
    secure = [f"listeners.secure.{word}" for word in (f"port={port}", f"tls.cert={cert}", f"tls.key={key}")]
    engine = EngineProcess(
        folder / "data", f"ledger.url={postgres.database()}", "workers=2", *secure, clock="system"
    ).start()
    wait_until(lambda: "ready; Ctrl-C" in engine.said())
    yield Rolled(engine, port, authority.file)
    if engine.is_running:
        engine.kill()


@pytest.fixture
def engine(rolled: Rolled) -> EngineProcess:
    return rolled.engine


def roll(engine: EngineProcess) -> None:
    """Both workers are others afterwards."""
    before, rolls = workers_of(engine), engine.said().count("all workers replaced")
    os.kill(engine.pid, signal.SIGUSR2)
    wait_until(lambda: engine.said().count("all workers replaced") > rolls)
    after = workers_of(engine)
    assert len(after) == 2
    assert not set(before) & set(after)
    assert not any(map(alive, before))


def assert_both_ready(engine: EngineProcess) -> list[str]:
    """Each on its own port; their URLs."""
    urls = [f"http://127.0.0.1:{engine.control_port + worker}" for worker in (0, 1)]
    for url in urls:
        ready = httpx.get(f"{url}/readyz", trust_env=False).json()
        assert (ready["dependencies"], ready["useful"]) == ({"started": True, "ledger": True}, {"redis": True})
    return urls


def top(engine: EngineProcess) -> dict[str, object]:
    """Both workers' metrics; and both are ready."""
    urls = assert_both_ready(engine)
    done = run("top", *(word for url in urls for word in ("--url", url)), "--every", "0.1", "--once", "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


class SecureWire(Wire):
    """The same in TLS."""

    def __init__(self, port: int, authority: Path) -> None:
        super().__init__(port)
        self._socket = client_context(authority).wrap_socket(self._socket, server_hostname="127.0.0.1")


class Payments:
    """Purchases of 1.00 by `LINKS` threads; each by `one`, until `stop`."""

    def __init__(self, port: int, cards: list[Plastic]) -> None:
        self.port = port
        self.codes: list[str] = []
        self.sent = 0
        self.reconnected = 0
        self.faults: list[str] = []
        self._cards = cards
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(LINKS)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        try:
            self.pay(self._next, self._stopping.is_set)
        except (OSError, AssertionError) as error:
            self.faults.append(repr(error))

    def pay(self, next_message: Callable[[], Fields], is_over: Callable[[], bool]) -> None:
        raise NotImplementedError

    def _next(self) -> Fields:
        with self._lock:
            self.sent += 1
            time.sleep(PACE_SECONDS)
            return self._cards[self.sent % len(self._cards)].message(1_00)

    def wait_for(self, answers: int) -> None:
        wanted = len(self.codes) + answers
        wait_until(lambda: len(self.codes) >= wanted or bool(self.faults))

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


class Reconnecting(Payments):
    """A connection for each payment, as some gateways do. Nothing is ever sent twice: each must be answered at once."""

    def pay(self, next_message: Callable[[], Fields], is_over: Callable[[], bool]) -> None:
        while not is_over():
            wire = Wire(self.port)
            self.codes.append(wire.ask(next_message())["39"])
            wire.close()


class LongLived(Payments):
    """One link each, as acquirers do. In TLS the engine ends it; then the next, and what had no answer is repeated on it.
    Else it is the same from first to last, and nothing is sent twice: a link that ends is a fault."""

    def __init__(self, port: int, cards: list[Plastic], authority: Path | None = None) -> None:
        self._authority = authority
        super().__init__(port, cards)

    def _wire(self) -> Wire:
        return Wire(self.port) if self._authority is None else SecureWire(self.port, self._authority)

    def pay(self, next_message: Callable[[], Fields], is_over: Callable[[], bool]) -> None:
        wire, waiting = self._wire(), {}
        while not is_over() or waiting:
            try:
                while len(waiting) < 8 and not is_over():
                    message = next_message()
                    waiting[message["11"]] = message
                    wire.send(message)
                answer = decode(wire.receive_payload())
                del waiting[answer["11"]]
                self.codes.append(answer["39"])
            except (ConnectionError, ssl.SSLEOFError):  # the latter: Python's for a send on a closed link in TLS
                wire.close()
                if self._authority is None:
                    raise
                wire = self._wire()
                self.reconnected += 1
                wire.send(*({**message, "t": "0101"} for message in waiting.values()))
        wire.close()


def test_no_message_is_refused(rolled: Rolled) -> None:
    """A roll under load: every payment is approved and held once; nobody is refused a connection; who has a link, and who
    reconnects for each payment, never notices; who has one in TLS reconnects and repeats. Each worker is a target for
    metrics, on the same port before and after."""
    engine = rolled.engine
    bank = BankOfToday(engine)
    cards = several(bank, 30)
    held = sum(card.held for card in cards)
    plain, in_tls = LongLived(engine.port, cards[:10]), LongLived(rolled.tls_port, cards[10:20], rolled.authority)
    everybody = [plain, in_tls, Reconnecting(engine.port, cards[20:])]
    for payments in everybody:
        payments.wait_for(50)
    assert_both_ready(engine)
    roll(engine)
    for payments in everybody:
        payments.wait_for(50)
    assert top(engine)["workers"] == 2
    for payments in everybody:
        payments.stop()
        assert payments.faults == []
        assert set(payments.codes) == {"00"}
        assert len(payments.codes) == payments.sent
        assert (payments.reconnected > 0) == (payments is in_tls)
    assert sum(card.held for card in cards) - held == sum(payments.sent for payments in everybody) * 1_00
    assert engine.is_ready()
    assert reconciles(engine)
    bank.close()


def test_half_a_message_goes_along(engine: EngineProcess) -> None:
    """Its first half was read by one worker, its second comes to another; a repeat on the same link is known to that one."""
    bank = BankOfToday(engine)
    card = bank.issue("prepaid-bps", load=10_00)
    message = card.message(1_00)
    data = framed(encode(message))
    bank.wire.send_bytes(data[:30])
    time.sleep(0.1)  # so that it was read, not only sent
    roll(engine)
    bank.wire.send_bytes(data[30:])
    assert bank.wire.receive()["39"] == "00"
    assert bank.wire.ask({**message, "t": "0101"})["39"] == "00"
    assert card.held == 1_00
    bank.close()


def test_a_successor_that_cannot_start(engine: EngineProcess, postgres: PostgresServer) -> None:
    """The roll ends with the first that fails; the one before it goes on, and says why."""
    before = workers_of(engine)
    postgres.stop()
    try:
        os.kill(engine.pid, signal.SIGUSR2)
        wait_until(lambda: "worker not replaced" in engine.said())
    finally:
        postgres.start()
    wait_until(engine.is_ready)
    assert workers_of(engine) == before
    assert '"ledger.url: ' in engine.said()
    bank = BankOfToday(engine)
    assert bank.issue("prepaid-bps", load=10_00).pay(1_00) == "00"
    bank.close()


def test_nobody_connects_to_an_engine_that_stops(engine: EngineProcess) -> None:
    """Told at once that nobody listens: a connection must not wait for a worker that never comes."""
    bank = BankOfToday(engine)
    bank.close()
    engine.stop()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", engine.port), 5):
        pass


def test_a_single_worker_goes_on(start: Start) -> None:
    """It has nobody to take over: the signal changes nothing and is answered in the log."""
    engine = start()
    os.kill(engine.pid, signal.SIGUSR2)
    wait_until(lambda: "a rolling restart needs several workers" in engine.said())
    assert engine.is_ready()
