"""Law 5 from outside: what was answered is remembered, however the engine or its Redis ends."""

from __future__ import annotations

import os
import re
import resource
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
import redis
from conftest import Start
from e2e_bank import Bank, Plastic
from e2e_process import EngineProcess
from e2e_traffic import Traffic
from e2e_wire import decode


def several(bank: Bank, number: int = 20) -> list[Plastic]:
    """Cards of several products, each on its own account; so many that load brings none to the cap on open holds."""
    products = ("prepaid-bps", "credit-business")
    return [bank.issue(products[turn % 2]) for turn in range(number)]


def journaled(card: Plastic) -> set[str]:
    """RRNs of everything decided for the account."""
    after, found = 0, set()
    while page := card.bank.api.get(f"/v1/accounts/{card.account}/journal?after={after}&limit=1000"):
        found |= {entry["request"]["origin"]["rrn"] for entry in page if entry["kind"] == "authorization"}
        after = page[-1]["seq"]
    return found


def restarted(engine: EngineProcess, cards: list[Plastic]) -> Bank:
    """The same data again; the cards as seen through the new engine."""
    engine.start()
    bank = Bank(engine)
    for card in cards:
        card.bank = bank
    return bank


def reconciles(engine: EngineProcess) -> bool:
    """The hash chains are unbroken, heads, holds and copy agree with the journal."""
    done = engine.run("reconcile", *engine.settings)
    return done.returncode == 0 and "0 differences" in done.stdout


def test_a_stop_in_mid_load_answers_what_it_took(start: Start) -> None:
    """SIGTERM: whatever was decided was answered, exit 0, and the next start goes on from there."""
    engine = start()
    bank = Bank(engine)
    cards = several(bank)
    traffic = Traffic(engine, cards)
    traffic.wait_for(300)
    engine.stop()
    traffic.join()
    assert traffic.codes.keys() == {"00"}
    assert not engine.is_ready()
    bank = restarted(engine, cards)
    for card in cards:
        assert card.held == traffic.approved(card)
    answered = {message["37"] for _, message, _ in traffic.answered}
    assert set().union(*map(journaled, cards)) == answered
    assert reconciles(engine)


def test_power_cuts_in_mid_load(start: Start) -> None:
    """SIGKILL of all of it, twice: every acknowledged approval is there, and its repeat gets the same bytes."""
    engine = start()
    bank = Bank(engine)
    cards = several(bank)
    held_before = dict.fromkeys(cards, 0)
    for _ in range(2):
        traffic = Traffic(engine, cards)
        traffic.wait_for(150)
        engine.kill()
        traffic.join()
        bank = restarted(engine, cards)
        for card in cards:
            unanswered = sum(1_00 for whose, _ in traffic.sent if whose is card) - traffic.approved(card)
            held = card.held - held_before[card]
            assert traffic.approved(card) <= held <= traffic.approved(card) + unanswered
        remembered = set().union(*map(journaled, cards))
        assert {message["37"] for _, message, _ in traffic.answered} <= remembered
        for repeat, answer in traffic.repeats(50):
            assert bank.wire.ask_payload(repeat) == answer
        assert reconciles(engine)
        held_before = {card: card.held for card in cards}


def test_unanswered_ones_are_decided_once(start: Start) -> None:
    """Killed before the answer: the repeat finds the decision or makes it; either way there is one hold."""
    engine = start()
    bank = Bank(engine)
    cards = several(bank, 2)
    traffic = Traffic(engine, cards)
    traffic.wait_for(50)
    engine.kill()
    traffic.join()
    bank = restarted(engine, cards)
    answers = bank.wire.ask_all({**message, "t": "0101"} for _, message in traffic.sent)
    assert {answer["39"] for answer in answers.values()} == {"00"}
    for card in cards:
        assert card.held == sum(1_00 for whose, _ in traffic.sent if whose is card)


def test_a_killed_engine_leaves_nothing_running(start: Start) -> None:
    """Its Valkey ends with it."""
    engine = start()
    assert answers_ping(engine)
    engine.kill()
    until = time.monotonic() + 10
    while answers_ping(engine):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_killed_writer(start: Start) -> None:
    """The process that writes the ledger is gone: no answer to what it had, the engine stops with an error, and the next one
    goes on from the disk."""
    engine = start()
    cards = several(Bank(engine))
    traffic = Traffic(engine, cards)
    traffic.wait_for(100)
    os.kill(writer_of(engine), signal.SIGKILL)
    assert engine.wait() == 1
    traffic.join()
    assert traffic.codes.keys() <= {"00", "91"}
    assert "the ledger failed" in engine.said()
    restarted(engine, cards)
    assert {message["37"] for _, message, payload in traffic.answered if decode(payload)["39"] == "00"} <= set().union(
        *map(journaled, cards)
    )
    assert reconciles(engine)


def writer_of(engine: EngineProcess) -> int:
    """The process id of the one that writes its ledger."""
    children = Path(f"/proc/{engine.pid}/task/{engine.pid}/children").read_text().split()
    (found,) = (int(child) for child in children if "sqlite_process" in Path(f"/proc/{child}/cmdline").read_text())
    return found


def test_a_full_disk(start: Start) -> None:
    """No approval that is not on the disk; the engine stops with an error, and has lost nothing when there is room."""
    engine = start()
    bank = Bank(engine)
    cards = several(bank)
    traffic = Traffic(engine, cards)
    traffic.wait_for(100)
    resource.prlimit(writer_of(engine), resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    assert engine.wait() == 1
    traffic.join()
    assert traffic.codes.keys() <= {"00", "91"}
    assert "the ledger failed" in engine.said()
    bank = restarted(engine, cards)
    assert {message["37"] for _, message, payload in traffic.answered if decode(payload)["39"] == "00"} <= set().union(
        *map(journaled, cards)
    )
    for repeat, answer in traffic.repeats(100):
        if decode(answer)["39"] == "00":
            assert bank.wire.ask_payload(repeat) == answer
    assert reconciles(engine)


# ------------------------------------------------------------------------------------------------- Redis goes away


def garbage(copy: redis.Redis, cards: list[Plastic]) -> None:
    """Someone else's hand in our keys: another type, a number ahead of the journal, a state that is none."""
    for turn, card in enumerate(cards):
        key = f"acct:{{{card.account}}}"
        copy.delete(key)
        if turn % 3 == 0:
            copy.set(key, b"no hash")
        else:
            copy.hset(
                key, mapping={"v": b"999999", "s": b"{}"} if turn % 3 == 1 else {"v": b"x", "s": b"\x00", "h": b"zz"}
            )


def kill_valkey(engine: EngineProcess) -> None:
    os.kill(int((engine.data_dir / "valkey" / "valkey.pid").read_text()), signal.SIGKILL)
    until = time.monotonic() + 10
    while not answers_ping(engine):
        assert time.monotonic() < until
        time.sleep(0.01)


def answers_ping(engine: EngineProcess) -> bool:
    try:
        return bool(engine.valkey().ping())
    except redis.RedisError:
        return False


def stall_valkey(engine: EngineProcess) -> None:
    """It lives and says nothing for a while."""
    pid = int((engine.data_dir / "valkey" / "valkey.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    time.sleep(0.3)
    os.kill(pid, signal.SIGCONT)


Disturb = Callable[[EngineProcess, list[Plastic]], object]
DISTURBANCES: dict[str, tuple[Disturb, int]] = {
    "emptied": (lambda engine, _: engine.valkey().flushall(), 10),
    "scripts forgotten": (lambda engine, _: engine.valkey().script_flush(), 10),
    "keys of garbage": (lambda engine, cards: garbage(engine.valkey(), cards), 10),
    "clients thrown out": (lambda engine, _: engine.valkey().client_kill_filter(_type="normal", skipme=True), 5),
    "silent": (lambda engine, _: stall_valkey(engine), 2),
    "killed": (lambda engine, _: kill_valkey(engine), 2),
}


@pytest.mark.parametrize(("disturb", "times"), DISTURBANCES.values(), ids=DISTURBANCES)
def test_redis_disturbed_in_mid_flow(bank: Bank, disturb: Disturb, times: int) -> None:
    """No wrong answer, nothing lost, nothing held twice; and the copy is whole again afterwards."""
    cards = several(bank)
    traffic = Traffic(bank.engine, cards).during(lambda: disturb(bank.engine, cards), times, 60)
    assert traffic.codes.keys() == {"00"}
    for card in cards:
        assert card.held == traffic.approved(card)
        assert card.pay(1_00) == "00"
    for repeat, answer in traffic.repeats(20):
        assert bank.wire.ask_payload(repeat) == answer
    assert reconciles(bank.engine)


def test_without_redis_from_the_start(start: Start) -> None:
    """A Redis that is not there is no reason not to authorize, and readiness does not depend on it."""
    engine = start("redis.url=redis://127.0.0.1:1")
    bank = Bank(engine)
    card = bank.issue("prepaid-bps")
    assert [card.pay(1_00) for _ in range(20)] == ["00"] * 20
    assert card.held == 20_00
    bank.close()


def test_refusals_survive_a_flush_too(bank: Bank) -> None:
    """PIN tries, day limits and a block are in the journal, not in Redis."""
    card = bank.issue("prepaid-bps")
    other = bank.issue("prepaid-bps")
    assert [card.pay_with_pin(pin="0000"), card.pay_with_pin(pin="0000")] == ["55", "55"]
    other.change("POST", "block", {"kind": "stolen", "by": "holder"})
    bank.engine.valkey().flushall()
    assert [card.pay_with_pin(pin="0000"), card.pay_with_pin()] == ["75", "75"]
    assert other.pay() == "43"


def test_somebody_else_writes_into_the_ledger(bank: Bank) -> None:
    """A program that holds SQLite's lock makes commits wait and spoils none; the log says how long one took."""
    card = bank.issue("prepaid-bps")
    stranger = apsw.Connection(str(bank.engine.data_dir / "ledger.sqlite"))
    stranger.execute("BEGIN IMMEDIATE")
    threading.Timer(0.6, stranger.execute, ("ROLLBACK",)).start()
    assert card.pay(1_00) == "00"
    assert re.search(r'"elapsed_us":[0-9]{6,},.*"event":"a commit took long"', bank.engine.said())
    assert card.held == 1_00
