"""An engine to be measured: filled with accounts, brought to where it is to be measured from, and loaded again and again."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from msgspec import Struct
from msgspec.structs import replace

from bench import cpu
from bench.loads import Measured, Watch, measure, watching_engine
from loadtest import mix
from loadtest.api import EXPIRY, pan_of
from loadtest.engine import ROOT, PrivateEngine
from loadtest.generator import Plan
from loadtest.messages import Card, zone_key
from loadtest.mix import Afterwards, Mix, Purchases
from loadtest.traffic import Payer, payers_of

MOST = 5_000_000
LIMIT = 10**11
"""Grosze: high enough that nothing is about limits."""
ACCOUNTS, UNDER_WAY, LINKS = 10_000, 256, 8
PAYMENT = Purchases(share=1, least=100, most=1_000, mcc=("5411",))
WARM_SECONDS = 3.0


class Shape(Struct, frozen=True):
    """What is measured. `under_way`: of all links together; `holds`: of each account; `copied`: Redis has every account
    before."""

    accounts: int = ACCOUNTS
    holds: int = 0
    links: int = LINKS
    under_way: int = UNDER_WAY
    copied: bool = False


class _Engine(PrivateEngine):
    """On a folder that was filled before."""

    def __init__(self, folder: Path) -> None:
        super().__init__("system", (f"data_dir={folder}",))
        self._filled = folder

    @property
    def valkey_pid(self) -> int:
        return int((self._filled / "valkey" / "valkey.pid").read_text())


class Stand:
    """One engine, ready to be loaded."""

    def __init__(self, engine: PrivateEngine, shape: Shape, payers: list[Payer], made_of: Mix) -> None:
        self._engine = engine
        self._payers = payers
        self._made_of = made_of
        self._zone = zone_key(ROOT / "config/keys/demo.toml")
        self._watch: Watch = watching_engine(engine.pid, engine.valkey_pid)
        under_way = max(1, shape.under_way // shape.links)
        self._plan = Plan(links=shape.links, seconds=1.0, most=MOST, under_way=under_way, expect="basic")

    def load(self, seconds: float, seed: int) -> Measured:
        """A closed loop for so long, drawn from `seed`."""
        return self._measured(replace(self._plan, seconds=seconds, seed=seed), self._made_of)

    def place_holds(self, each: int) -> None:
        """About so many on each account."""
        self._measured(replace(self._plan, seconds=120.0, most=each * len(self._payers), seed=1), _paying())

    def _measured(self, plan: Plan, made_of: Mix) -> Measured:
        return measure("growth", self._engine.iso_port, self._zone, plan, made_of, self._payers, self._watch)

    @property
    def memory(self) -> dict[str, float]:
        """MB, by who takes it."""
        engine = self._engine
        writers = cpu.children_of(engine.pid, "authsvc.ledger.sqlite_process")
        return {
            "engine": cpu.memory_mb(engine.pid),
            "ledger writer": sum(map(cpu.memory_mb, writers)),
            "Valkey": cpu.memory_mb(engine.valkey_pid),
        }


@contextmanager
def prepared(shape: Shape) -> Iterator[Stand]:
    """Filled, started, and warm: holds, as many as are wanted of each account, and a few seconds of the very load."""
    demo = mix.load(ROOT / "loadtest/mixes/demo.toml")
    made_of = replace(demo, zipf=0.0)
    with tempfile.TemporaryDirectory(prefix="growth-") as made:
        folder = Path(made)
        payers = payers_of(_imported(folder, made_of, shape.accounts), zone_key(ROOT / "config/keys/demo.toml"))
        with _Engine(folder) as engine:
            if shape.copied:
                _copied(folder)
            stand = Stand(engine, shape, payers, _steady() if shape.holds else made_of)
            if shape.holds:
                stand.place_holds(shape.holds)
            stand.load(WARM_SECONDS, seed=2)
            yield stand


def _imported(folder: Path, made_of: Mix, count: int) -> list[Card]:
    """`count` accounts with a card each, in the ledger of `folder`, by `authsvc account import`."""
    cards = [Card(pan_of(made_of.accounts.product, number), EXPIRY, made_of.accounts.pin) for number in range(count)]
    command = _authsvc(folder, "account", "import", "-", "--pins")
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    with process.stdin as lines:
        for card in cards:
            lines.write(_line(made_of, card))
    assert process.stdout is not None
    told = process.stdout.read()
    if process.wait():
        raise click.ClickException(f"the import failed: {told.strip()}")
    return cards


def _authsvc(folder: Path, *words: str) -> list[str]:
    program = str(Path(sys.executable).with_name("authsvc"))
    return [program, *words, "--config", "config/demo.toml", "--set", f"data_dir={folder}"]


def _copied(folder: Path) -> None:
    """Every account into Valkey, as if each had been used: so its memory is that of all of them."""
    done = subprocess.run(
        _authsvc(folder, "rebuild", "--per-second", "1000000"), cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        raise click.ClickException(f"authsvc rebuild failed: {done.stderr.strip()}")


def _line(made_of: Mix, card: Card) -> str:
    wanted = made_of.accounts
    limits = {"cash": LIMIT, "cashless": LIMIT, "internet": LIMIT}
    plastic = {"pan": card.pan, "expiry": card.expiry, "pin": card.pin, "limits": limits}
    return json.dumps({"product": wanted.product, "credit_limit": LIMIT, "cards": [plastic]}) + "\n"


def _paying() -> Mix:
    demo = mix.load(ROOT / "loadtest/mixes/demo.toml")
    return Mix(accounts=demo.accounts, chip_pin=PAYMENT, zipf=0.0)


def _steady() -> Mix:
    """As many holds end as are placed."""
    return replace(_paying(), reversal=Afterwards(share=1))
