"""Starting and stopping: two side by side, one data folder for one engine, settings that are wrong (wire.md section 1)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import Start
from e2e_bank import Api, Bank, Plastic, luhn_number
from e2e_process import AUTHSVC, ROOT, free_port, run


def serve(tmp_path: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to fail."""
    settings = (
        f"data_dir={tmp_path}/d",
        "clock=simulated",
        f"listeners.main.port={free_port()}",
        f"control.port={free_port()}",
    )
    words = [word for setting in (*settings, *overrides) for word in ("--set", setting)]
    return run("serve", "--config", "config/demo.toml", *words)


def test_two_engines_side_by_side(start: Start) -> None:
    """Different data and ports: the same card number in both, and neither sees the other's money or clock."""
    banks = [Bank(start(data=name)) for name in ("one", "two")]
    pan = luhn_number("557529")
    cards = [bank.issue("prepaid-bps", pan=pan, load=100_00) for bank in banks]
    banks[0].advance(days=3)
    assert [cards[0].pay(100_00), cards[0].pay(1), cards[1].pay(60_00)] == ["00", "51", "00"]
    assert [card.held for card in cards] == [100_00, 60_00]
    for bank in banks:
        bank.close()


def test_a_second_engine_on_the_same_data(start: Start) -> None:
    """It says whose data that is and ends; the first one does not notice."""
    engine = start()
    second = serve(engine.data_dir.parent, f"data_dir={engine.data_dir}")
    assert second.returncode != 0
    assert "data_dir" in second.stderr
    assert "another engine" in second.stderr
    bank = Bank(engine)
    assert bank.issue("prepaid-bps").pay() == "00"
    assert engine.valkey().ping()
    bank.close()


@pytest.mark.parametrize(("setting", "key"), [
    ("listeners.main.prot=1", "listeners.main.prot"),
    ("clock=sundial", "clock"),
    ("listeners.main.dialect=klingon", "listeners.main.dialect"),
])  # fmt: skip
def test_a_wrong_setting_stops_the_start(tmp_path: Path, setting: str, key: str) -> None:
    """And is named; nothing is left running, no traceback is shown. Many more in tests/test_cli.py."""
    done = serve(tmp_path, setting)
    assert done.returncode != 0
    assert key in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("key", ["listeners.main.port", "control.port"])
def test_a_port_in_use(tmp_path: Path, key: str) -> None:
    """Named too, and the data can be used again at once."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = serve(tmp_path, f"{key}={port}")
    assert done.returncode != 0
    assert f"{key}: cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_dir_that_cannot_be(tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "file").write_text("")
    done = serve(tmp_path, f"data_dir={tmp_path}/file")
    assert done.returncode != 0
    assert "data_dir" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_ledger_that_is_none(tmp_path: Path) -> None:
    """Something else under the ledger's name is not overwritten."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "ledger.sqlite").write_bytes(b"this is no database" * 100)
    done = serve(tmp_path)
    assert done.returncode != 0
    assert "ledger.sqlite" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "d" / "ledger.sqlite").read_bytes().startswith(b"this is no database")


def test_the_whole_state_survives_a_restart(start: Start) -> None:
    """Money, holds, PIN tries, blocks, clock: all as they were; a repeat gets the same bytes."""
    engine = start()
    bank = Bank(engine)
    card = bank.issue("prepaid-bps", load=100_00)
    card.pay_with_pin(10_00)
    assert [card.pay_with_pin(pin="0000"), card.tap(20_00)] == ["55", "00"]
    account, view = bank.api.get(f"/v1/accounts/{card.account}"), card.view()
    message = card.message(5_00)
    engine.stop()
    engine.start()
    again = Bank(engine)
    card.bank = again
    assert (again.api.get(f"/v1/accounts/{card.account}"), card.view()) == (account, view)
    assert again.wire.ask(message)["39"] == "00"
    again.close()


def test_the_clock_is_where_it_was(start: Start) -> None:
    engine = start()
    there = Api(engine.url).post("/v1/clock", {"now": "2031-02-03T04:05:06.789+01:00"})
    assert there == {"now": "2031-02-03T03:05:06.789000Z"}
    engine.stop()
    engine.start()
    assert Api(engine.url).post("/v1/clock", {"advance_seconds": 0}) == there


def test_the_system_clock_cannot_be_moved(start: Start) -> None:
    """404: there is no such call (wire.md section 4)."""
    engine = start(clock="system")
    answer = Api(engine.url).ask("POST", "/v1/clock", {"advance_seconds": 1})
    assert answer.status_code == 404


def test_without_demo_cards(start: Start) -> None:
    engine = start("seed_demo=false")
    assert "demo card" not in engine.said()
    bank = Bank(engine)
    assert bank.issue("prepaid-bps").pay() == "00"
    bank.close()


def test_what_is_announced_works(start: Start) -> None:
    """The demo cards printed at the start can pay with the PIN printed beside them; again after a restart."""
    engine = start()
    for _ in range(2):
        bank = Bank(engine)
        lines = [
            line.split() for line in engine.stdout.read_text().splitlines() if line.strip().startswith("demo card")
        ]
        cards = {words[2]: (words[4], words[6], words[9]) for words in lines}
        assert len(cards) == 4
        for pan, (pin, expiry, account) in cards.items():
            assert Plastic(bank, account, "", pan, expiry).pay_with_pin(1_00, pin=pin) == "00"
        bank.close()
        engine.stop()
        engine.start()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_well(start: Start, number: signal.Signals) -> None:
    """SIGTERM and Ctrl-C: exit 0, also with links open and a frame half sent."""
    engine = start()
    bank = Bank(engine)
    bank.wire.send_bytes(b"\x00\x50" + b"0100")
    os.kill(engine.pid, number)
    assert engine.wait() == 0
    assert "Traceback" not in engine.said()


def test_no_optimized_python() -> None:
    """`python -O` would take the assertions away (style.md lesson 8): exit 2."""
    done = subprocess.run(
        [AUTHSVC.with_name("python"), "-O", AUTHSVC, "describe", "00"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "python -O" in done.stderr


def test_systemd_hears_when_it_serves(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """READY=1 comes when connections are taken, and not before."""
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        engine = start()
        systemd.settimeout(20)
        assert systemd.recv(100) == b"READY=1"
        with socket.create_connection(("127.0.0.1", engine.port), 5):
            pass
