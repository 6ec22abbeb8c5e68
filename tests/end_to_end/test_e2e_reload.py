"""SIGHUP on a real engine under load, and `check-config` before one: docs/decisions/0024-reload.md."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from conftest import Start
from e2e_bank import Bank
from e2e_process import ROOT, EngineProcess, run
from e2e_traffic import Traffic
from test_e2e_postgres import BankOfToday

FILE = "prepaid-bps.toml"
LOWER = ("one_payment = 10_000", "one_payment = 500")
NO_KIND = ('funds = "prepaid"', 'funds = "pocket"')
OTHER_BIN = ('bin = "557529"', 'bin = "557530"')


@pytest.fixture
def products(tmp_path: Path) -> Path:
    """The demo's product files, for this test to change."""
    return Path(shutil.copytree(ROOT / "config/products", tmp_path / "products"))


def change(products: Path, change: tuple[str, str]) -> None:
    file = products / FILE
    text = file.read_text()
    assert change[0] in text
    file.write_text(text.replace(*change, 1))


def metric(engine: EngineProcess, name: str) -> str:
    """The line of a metric that has one."""
    text = httpx.get(f"{engine.url}/metrics", trust_env=False, timeout=20).text
    found = re.search(rf"^{name}(?:{{.*}})? .*$", text, re.MULTILINE)
    assert found is not None, name
    return found[0]


def reload(engine: EngineProcess, until: Callable[[], bool]) -> None:
    os.kill(engine.pid, signal.SIGHUP)
    deadline = time.monotonic() + 20
    while not until():
        assert time.monotonic() < deadline, engine.said()
        time.sleep(0.02)


def test_a_reload_under_load(start: Start, products: Path) -> None:
    """A lower limit holds for the next message; what flows meanwhile is answered, all of it, and nothing restarts."""
    engine = start(f"products_dir={products}")
    bank = Bank(engine)
    card = bank.issue("prepaid-bps")
    assert card.pay_with_pin() == "00"
    assert card.tap(10_00) == "00"
    before = metric(engine, "authsvc_products_info")
    cards = [bank.issue("credit-business") for _ in range(20)]  # none comes to the cap on open holds
    traffic = Traffic(engine, cards, links=2)
    traffic.wait_for(100)
    change(products, LOWER)
    reload(engine, lambda: metric(engine, "authsvc_products_info") != before)
    assert card.tap(10_00) != "00"
    assert card.tap(5_00) == "00"
    traffic.wait_for(100)
    traffic.stop()
    assert traffic.codes.keys() == {"00"}
    assert len(traffic.answered) == len(traffic.sent)
    assert '"event":"products reloaded"' in engine.said()
    bank.close()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [(NO_KIND, f"{FILE}: Invalid enum value 'pocket' - at `$.funds`"), (OTHER_BIN, "product prepaid-bps: bin differs")],
)  # fmt: skip
def test_a_bad_file_changes_nothing(start: Start, products: Path, wrong: tuple[str, str], named: str) -> None:
    """Neither the wrong file nor a right one beside it comes into force; log and metric say so, and a good reload ends it."""
    engine = start(f"products_dir={products}")
    bank = Bank(engine)
    card = bank.issue("prepaid-bps")
    assert card.pay_with_pin() == "00"
    before = metric(engine, "authsvc_products_info")
    change(products, LOWER)
    change(products, wrong)
    reload(engine, lambda: metric(engine, "authsvc_reload_ok") == "authsvc_reload_ok 0.0")
    assert metric(engine, "authsvc_products_info") == before
    assert card.tap(10_00) == "00"
    assert named in engine.said()
    change(products, wrong[::-1])
    reload(engine, lambda: metric(engine, "authsvc_reload_ok") == "authsvc_reload_ok 1.0")
    assert card.tap(10_00) != "00"
    bank.close()


def check(*settings: str) -> tuple[int, str]:
    words = [word for setting in settings for word in ("--set", setting)]
    done = run("check-config", "--config", "config/demo.toml", *words)
    return done.returncode, done.stdout + done.stderr


def test_check_config_is_right(tmp_path: Path) -> None:
    """Exit 0, and nothing was made: not even the data directory."""
    code, said = check(f"data_dir={tmp_path / 'data'}")
    assert (code, "are right" in said) == (0, True)
    assert not list(tmp_path.iterdir())


def test_check_config_beside_a_running_engine(engine: EngineProcess) -> None:
    """It takes no port and no lock."""
    assert engine.run("check-config", *engine.settings).returncode == 0


def test_check_config_names_everything_at_once(tmp_path: Path, products: Path) -> None:
    """Exit 1 and a line for each: listener, product file, keys, clock, data directory, all in one run."""
    change(products, NO_KIND)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/clock").write_text("noon")
    (tmp_path / "data/ledger.sqlite").write_text("this is no ledger, and long enough to be looked at as one" * 20)
    code, said = check(
        f"data_dir={tmp_path / 'data'}", "clock=simulated", "listeners.main.dialect=esperanto", f"products_dir={products}",
        f"key_file={tmp_path / 'none.toml'}",
    )  # fmt: skip
    assert code == 1
    lines = said.splitlines()
    for number, named in enumerate(("listeners.main.dialect", FILE, "none.toml", "data/clock", "data/ledger.sqlite")):
        assert named in lines[number], said
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("settings", "code"),
    [(["listeners.main.port=high"], 1), (["no_such_setting=1"], 1), (["data_dir=README.md/data"], 1)],
)
def test_check_config_of_wrong_settings(settings: list[str], code: int) -> None:
    """What the type of the settings refuses is found too, and so is a folder that cannot be made."""
    assert check(*settings)[0] == code


def test_check_config_wrong_use() -> None:
    """Exit 2 is for the caller's mistakes."""
    assert run("check-config", "--no-such-option").returncode == 2


def test_a_reload_by_a_person_is_in_the_journal(start: Start, products: Path) -> None:
    """`authsvc reload`: refused with the reason, then taken; who did it is in the trail. The journal alone decides all of it
    again, each request by the files that were in force; by the files of now it comes out otherwise."""
    engine = start(f"products_dir={products}", clock="system")
    bank = BankOfToday(engine)
    card = bank.issue("prepaid-bps", load=100_00)
    assert [card.pay_with_pin(), card.tap(10_00)] == ["00", "00"]

    def ask(*words: str) -> tuple[int, str]:
        done = run(*words, "--url", engine.url)
        return done.returncode, done.stdout + done.stderr

    change(products, NO_KIND)
    code, said = ask("reload")
    assert (code, FILE in said, card.tap(10_00)) == (1, True, "00")
    change(products, NO_KIND[::-1])
    change(products, LOWER)
    assert ask("reload", "--json")[0] == 0
    assert card.tap(10_00) != "00"
    assert ask("reload", "--json")[0] == 0  # the same files: nothing new to remember
    versions = bank.api.get("/v1/accounts/bank/journal")
    assert [decision["kind"] for decision in versions] == ["operate"] * 2
    trail = bank.api.get("/v1/audit?who=demo-operator")["entries"]
    assert [entry["kind"] for entry in trail][-1] == "operate"
    assert ask("log", "--one-in", "1", "--json")[1].split() == [
        "{",
        '"level":',
        '"info",',
        '"messages_one_in":',
        "1",
        "}",
    ]
    assert card.tap(1_00) == "00"
    (line,) = (line for line in engine.said().splitlines() if '"event":"answered"' in line)
    assert {"decision", "mti", "rrn", "elapsed_us"} <= json.loads(line).keys()
    bank.close()
    engine.stop()
    assert run("replay", *engine.settings).returncode == 0
    assert run("replay", *engine.settings, "--products", str(products)).returncode == 1
