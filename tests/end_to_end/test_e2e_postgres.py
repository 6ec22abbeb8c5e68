"""The engine on PostgreSQL: the same promises with several workers, and with a server that goes away in mid flow."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import Start
from e2e_bank import Api, Bank, Plastic, luhn_number
from e2e_process import AUTHSVC, ROOT, EngineProcess, run
from e2e_traffic import Traffic
from e2e_wire import decode
from postgres_server import PostgresServer
from test_e2e_crash import journaled, reconciles, restarted, several
from test_e2e_races import on_links

from authsvc.config import EMBEDDED, load
from authsvc.engine import LEDGER_FILE
from authsvc.ledger.postgres_records import PostgresRecords
from authsvc.ledger.sqlite_reader import open_reader
from authsvc.model import BANK


class BankOfToday(Bank):
    """On the system clock: each worker would have a simulated one of its own."""

    def set_clock(self, _now: datetime) -> None:
        self.now = datetime.now(UTC)


@pytest.fixture
def server(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """It runs again afterwards."""
    yield postgres
    if not postgres.is_running:
        postgres.start()


StartWorkers = Callable[..., EngineProcess]


@pytest.fixture
def start_workers(start: Start, postgres: PostgresServer) -> StartWorkers:
    def begin(number: int = 2) -> EngineProcess:
        engine = start(f"ledger.url={postgres.database()}", f"workers={number}", clock="system")
        wait_until(lambda: "ready; Ctrl-C" in engine.said())
        return engine

    return begin


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def workers_of(engine: EngineProcess) -> list[int]:
    return [pid for pid in children(engine.pid) if "authsvc.workers" in Path(f"/proc/{pid}/cmdline").read_text()]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def decisions(engine: EngineProcess, worker: int) -> float:
    """Made by one worker, from its own /metrics."""
    api = Api(f"http://127.0.0.1:{engine.control_port + worker - 1}")
    lines = api.ask("GET", "/metrics").text.splitlines()
    api.close()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("authsvc_decisions_total{"))


# ------------------------------------------------------------------------------------------------- one worker


def test_a_purchase_its_repeat_and_its_reversal(start: Start, postgres: PostgresServer) -> None:
    """As on SQLite; and again after kill -9, with the same bytes for the repeat."""
    engine = start(f"ledger.url={postgres.database()}")
    bank = Bank(engine)
    card = bank.issue("prepaid-bps", load=100_00)
    message = card.message(60_00)
    first = bank.wire.ask(message)
    repeat = bank.wire.ask({**message, "t": "0101"})
    assert (first["39"], card.money()) == ("00", (60_00, 40_00))
    assert {**repeat, "t": first["t"]} == first
    engine.kill()
    bank = restarted(engine, [card])
    assert bank.wire.ask({**message, "t": "0101"}) == repeat
    assert card.money() == (60_00, 40_00)
    assert [card.pay(50_00), card.reverse(message), card.pay(50_00)] == ["51", "00", "00"]
    assert card.money() == (50_00, 50_00)
    assert reconciles(engine)
    bank.close()


def test_the_same_run_gives_the_same_journal(start: Start, postgres: PostgresServer) -> None:
    """SQLite and PostgreSQL: the same calls and messages at the same times end in the same hashes, account by account."""
    overrides = {"sqlite": "seed_demo=false", "postgres": f"ledger.url={postgres.database()}"}
    banks = {name: Bank(start(setting, "seed_demo=false", data=name)) for name, setting in overrides.items()}
    first = _same_start(banks["sqlite"])
    _same_start(banks["postgres"], first.pan)
    card = first
    messages = [
        card.message(10_00 * number, pin="1234", t=mti) for number in range(1, 8) for mti in ("0100", "0200", "0120")
    ]
    messages += [card.reversal(message) for message in messages[::4]]
    messages += [card.message(35_00, t="0220", f37=message["37"]) for message in messages[:9:3]]
    answers = {name: [bank.wire.ask(message) for message in messages] for name, bank in banks.items()}
    assert answers["sqlite"] == answers["postgres"]
    assert len({answer["39"] for answer in answers["sqlite"]}) > 1
    heads = {name: _heads(bank) for name, bank in banks.items()}
    assert len(heads["sqlite"]) > len(messages)
    assert heads["sqlite"] == heads["postgres"]
    for bank in banks.values():
        assert reconciles(bank.engine)
        bank.close()


def _same_start(bank: Bank, pan: str = "") -> Plastic:
    """An account and a card whose ids come from their keys, on both engines alike."""
    body = {"product": "prepaid-bps"}
    account = bank.api.ask("POST", "/v1/accounts", body, key="same-account").json()["account"]
    paid_in = {"amount": 150_00, "reference": "opening"}
    assert bank.api.ask("POST", f"/v1/accounts/{account}/loads", paid_in, key="same-load").is_success
    pan = pan or luhn_number("557529")
    issued = {"pan": pan, "expiry": "2812", "pin": "1234"}
    made = bank.api.ask("POST", f"/v1/accounts/{account}/cards", issued, key="same-card").json()["card"]
    assert bank.api.ask("POST", f"/v1/cards/{made}/activate", key="same-activation").is_success
    return Plastic(bank, account, made, pan, "2812")


def _heads(bank: Bank) -> list[tuple[str, int, str]]:
    """Every decision with the hash that its account had after it."""
    loaded = load(Path("config/demo.toml"), [word for word in bank.engine.settings if "=" in word])
    reader = (
        open_reader(loaded.data_dir / LEDGER_FILE)
        if loaded.ledger.url == EMBEDDED
        else PostgresRecords(loaded.ledger.url)
    )
    found = [
        (account, record.columns.seq, record.hash.hex())
        for account in reader.every_account()
        if account != BANK  # written at the start, by the wall clock
        for record in reader.records(account)
    ]
    reader.close()
    return found


def test_explain_and_reconcile_read_it(start: Start, postgres: PostgresServer) -> None:
    """Beside the running engine and without it."""
    engine = start(f"ledger.url={postgres.database()}")
    bank = Bank(engine)
    card = bank.issue("prepaid-bps", load=10_00)
    assert card.pay(20_00) == "51"
    told = engine.run("explain", card.sent["37"], *engine.settings)
    assert (told.returncode, "W §10.1" in told.stdout) == (0, True)
    bank.close()
    engine.stop()
    assert reconciles(engine)


def test_a_server_that_comes_later(start: Start, server: PostgresServer) -> None:
    """As at boot: the engine says what it waits for, and starts when PostgreSQL is there."""
    settings = f"ledger.url={server.database()}"
    server.stop()
    timer = threading.Timer(3, server.start)
    timer.start()
    engine = start(settings)
    timer.join()
    assert '"event":"postgresql is not there yet"' in engine.said()
    bank = Bank(engine)
    assert bank.issue("prepaid-bps", load=10_00).pay(1_00) == "00"
    bank.close()


def test_stopped_while_it_waits_for_the_server(tmp_path: Path) -> None:
    """SIGTERM before there is anything to drain: exit 0, and nothing stays."""
    engine = EngineProcess(tmp_path / "data", "ledger.url=postgresql://u@127.0.0.1:1/x")
    words = [AUTHSVC, "serve", *engine.settings]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        assert any("postgresql is not there yet" in line for line in waiting.stderr)
        waiting.terminate()
        assert waiting.wait(10) == 0


def test_power_cuts_of_engine_and_server_in_mid_load(start: Start, server: PostgresServer) -> None:
    """SIGKILL of both: every acknowledged approval is there, and its repeat gets the same bytes."""
    engine = start(f"ledger.url={server.database()}")
    bank = Bank(engine)
    cards = several(bank)
    traffic = Traffic(engine, cards)
    traffic.wait_for(150)
    engine.kill()
    server.stop()
    traffic.join()
    server.start()
    bank = restarted(engine, cards)
    for card in cards:
        unanswered = sum(1_00 for whose, _ in traffic.sent if whose is card) - traffic.approved(card)
        assert traffic.approved(card) <= card.held <= traffic.approved(card) + unanswered
    assert {message["37"] for _, message, _ in traffic.answered} <= set().union(*map(journaled, cards))
    for repeat, answer in traffic.repeats(50):
        assert bank.wire.ask_payload(repeat) == answer
    assert reconciles(engine)
    bank.close()


def test_a_server_that_goes_away_in_mid_flow(start: Start, server: PostgresServer) -> None:
    """DE39 91 and not ready while it is away; then payments go on by themselves, and nothing is lost or held twice."""
    engine = start(f"ledger.url={server.database()}")
    bank = Bank(engine)
    cards = several(bank)
    traffic = Traffic(engine, cards)
    traffic.wait_for(100)
    server.stop()
    wait_until(lambda: not engine.is_ready())
    refused = [card.pay(1_00) for card in cards]
    server.start()
    wait_until(engine.is_ready)
    traffic.wait_for(200)
    traffic.stop()
    assert set(refused) == {"91"}
    assert traffic.codes.keys() <= {"00", "91"}
    assert len(traffic.answered) == len(traffic.sent)
    for card in cards:
        assert card.held == traffic.approved(card)
        assert card.pay(1_00) == "00"
    for repeat, answer in traffic.repeats(20):
        assert decode(bank.wire.ask_payload(repeat))["39"] == decode(answer)["39"] == "00"
    assert reconciles(engine)
    bank.close()


def test_a_stop_while_the_server_is_away(start: Start, server: PostgresServer) -> None:
    """SIGTERM ends the engine all the same, exit 0; nothing that was answered is missing afterwards."""
    engine = start(f"ledger.url={server.database()}")
    bank = Bank(engine)
    card = bank.issue("prepaid-bps", load=10_00)
    assert card.pay(1_00) == "00"
    server.stop()
    wait_until(lambda: not engine.is_ready())
    assert card.pay(1_00) == "91"
    engine.stop()
    server.start()
    bank = restarted(engine, [card])
    assert card.money() == (1_00, 9_00)
    bank.close()


def test_a_server_that_is_not_there(start: Start, server: PostgresServer) -> None:
    """Named, and no password shown; not a wrong use."""
    url = server.database()
    engine = start(f"ledger.url={url}")
    engine.stop()
    server.stop()
    done = run("reconcile", *engine.settings)
    assert (done.returncode, "ledger.url" in done.stderr, "Traceback" in done.stderr) == (1, True, False)


# ------------------------------------------------------------------------------------------------- several workers


def test_two_workers_never_overspend(start_workers: StartWorkers) -> None:
    """16 links, one account, both workers: as many are approved as there is money for, to the grosz."""
    engine = start_workers()
    bank = BankOfToday(engine)
    card = bank.issue("prepaid-bps", load=100_00)
    answers = on_links(engine.port, [card.message(1_00) for _ in range(240)], links=16)
    assert Counter(answer["39"] for answer in answers.values()) == {"00": 100, "51": 140}
    assert card.money() == (100_00, 0)
    assert all(decisions(engine, worker) > 0 for worker in (1, 2))
    assert reconciles(engine)
    bank.close()


def test_a_repeat_on_another_worker(start_workers: StartWorkers) -> None:
    """Whichever worker gets it, it answers the same bytes, and one hold is all there is."""
    engine = start_workers()
    bank = BankOfToday(engine)
    card = bank.issue("prepaid-bps", load=100_00)
    messages = [card.message(1_00) for _ in range(10)]
    first = on_links(engine.port, messages, links=5)
    for _ in range(3):
        again = on_links(engine.port, [{**message, "t": "0101"} for message in messages], links=5)
        assert {stan: {**answer, "t": ""} for stan, answer in again.items()} == {
            stan: {**answer, "t": ""} for stan, answer in first.items()
        }
    assert card.held == 10_00
    bank.close()


def test_a_stop_in_mid_load_answers_what_it_took(start_workers: StartWorkers) -> None:
    """SIGTERM to the parent: every worker drains, exit 0, whatever was decided was answered."""
    engine = start_workers()
    bank = BankOfToday(engine)
    cards = several(bank)
    traffic = Traffic(engine, cards, links=8)
    traffic.wait_for(200)
    pids = workers_of(engine)
    engine.stop()
    traffic.join()
    assert len(pids) == 2
    assert not any(map(alive, pids))
    assert traffic.codes.keys() == {"00"}
    bank = BankOfToday(engine.start())
    for card in cards:
        card.bank = bank
        assert card.held == traffic.approved(card)
    assert reconciles(engine)
    bank.close()


@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_that_dies_ends_the_engine(start_workers: StartWorkers, victim: int) -> None:
    """Exit 1, the other one drained and gone: whoever supervises us starts all of it anew."""
    engine = start_workers()
    pids = workers_of(engine)
    os.kill(pids[victim], signal.SIGKILL)
    assert engine.wait() == 1
    assert not any(map(alive, pids))
    assert "a worker ended" in engine.said()
    assert engine.start().is_ready()


def test_a_parent_that_dies_takes_all_with_it(start_workers: StartWorkers) -> None:
    """kill -9 of the parent alone: the workers drain and end, the ports are free, the data can be used at once."""
    engine = start_workers()
    family = children(engine.pid)
    os.kill(engine.pid, signal.SIGKILL)
    engine.wait()
    wait_until(lambda: not any(map(alive, family)))
    assert engine.start().is_ready()


def test_a_port_in_use(start_workers: StartWorkers) -> None:
    """Also when its owner would share it: nobody takes half of another engine's links."""
    engine = start_workers()
    engine.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", engine.port))
        other.listen()
        done = run("serve", *engine.settings)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert f"listeners.main.port: cannot listen on 127.0.0.1:{engine.port}" in done.stderr


def test_a_worker_that_cannot_start(start_workers: StartWorkers) -> None:
    """What is wrong is said as by a single one; nothing is left running."""
    engine = start_workers()
    engine.stop()
    done = run("serve", *engine.settings, "--set", "ledger.url=postgresql://u:secret@no-such-host.invalid/x")
    assert (done.returncode, "Traceback" in done.stderr, "secret" in done.stderr) == (2, False, False)
    assert "ledger.url: cannot connect" in done.stderr
