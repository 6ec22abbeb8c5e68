"""What a message costs as things grow: `python -m bench.growth`, some ten minutes; `--write` puts it into docs/performance.md.

Four things grow, one at a time: accounts, open holds of each account, links, messages under way. Each point is an engine of
its own, warmed up, then measured in a closed loop. Points are kept in a file as they are made, so a run that was cut off
goes on; `--fresh` begins anew. Bounded: the number of points times the seconds of one, and what it takes to prepare it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from bench import cpu, page
from bench.loads import Cpu, measure, watching_engine
from bench.plot import svg
from loadtest import mix
from loadtest.api import EXPIRY, pan_of
from loadtest.engine import ROOT, PrivateEngine
from loadtest.generator import Plan
from loadtest.messages import Card, zone_key
from loadtest.mix import Afterwards, Mix, Purchases
from loadtest.traffic import payers_of

MOST = 5_000_000
LIMIT = 10**11
"""Grosze: high enough that no point is about limits."""
ACCOUNTS, UNDER_WAY, LINKS = 10_000, 256, 8
KNEE = 1.25
"""A message that costs so many times what it cost at its cheapest before: there the curve has its knee."""
FULL = 0.9
"""Of the highest rate: what is above it is as good as it gets."""
GROWING: dict[str, tuple[int, ...]] = {
    "accounts": (10_000, 30_000, 100_000, 300_000, 1_000_000),
    "open holds": (1, 20, 50, 100, 200),
    "links": (1, 8, 64, 250, 500),
    "under way": (1, 8, 64, 500, 2_000),
}
HOLDING_ACCOUNTS = 300
"""So few that each gets its 200 holds in bounded time; one has one message under way at most."""
PAYMENT = Purchases(share=1, least=100, most=1_000, mcc=("5411",))


class Point(Struct, frozen=True):
    """One measurement. `cpu`: microseconds a message, by who used them; `memory`: MB."""

    growing: str
    value: int
    per_second: float
    p50: int
    p99: int
    cpu: Cpu
    memory: dict[str, float]
    unanswered: int

    @property
    def cost(self) -> float:
        """Microseconds of a message, without the generator's own."""
        return sum(used for who, used in self.cpu.items() if who != "generator")


class Shape(Struct, frozen=True):
    """What a point is measured on."""

    accounts: int = ACCOUNTS
    holds: int = 0
    links: int = LINKS
    under_way: int = UNDER_WAY


def shape_of(growing: str, value: int) -> Shape:
    """`under_way` is of all links together."""
    if growing == "accounts":
        return Shape(accounts=value)
    if growing == "open holds":
        return Shape(accounts=HOLDING_ACCOUNTS, holds=value, under_way=HOLDING_ACCOUNTS // 2)
    if growing == "links":
        return Shape(links=value, under_way=500)
    return Shape(links=min(value, LINKS), under_way=value)


class _Engine(PrivateEngine):
    """On a folder that was filled before."""

    def __init__(self, folder: Path) -> None:
        super().__init__("system", (f"data_dir={folder}",))
        self._filled = folder

    @property
    def valkey_pid(self) -> int:
        return int((self._filled / "valkey" / "valkey.pid").read_text())


def imported(folder: Path, made_of: Mix, count: int) -> list[Card]:
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


def point(growing: str, value: int, seconds: float) -> Point:
    """Prepare, warm up, measure."""
    shape, demo = shape_of(growing, value), mix.load(ROOT / "loadtest/mixes/demo.toml")
    made_of = replace(demo, zipf=0.0)
    zone = zone_key(ROOT / "config/keys/demo.toml")
    with tempfile.TemporaryDirectory(prefix="growth-") as made:
        folder = Path(made)
        payers = payers_of(imported(folder, made_of, shape.accounts), zone)
        plan = Plan(
            links=shape.links, seconds=seconds, most=MOST, under_way=max(1, shape.under_way // shape.links), expect="basic"
        )  # fmt: skip
        with _Engine(folder) as engine:
            if growing == "accounts":
                _copied(folder)
            watch = watching_engine(engine.pid, engine.valkey_pid)
            for warm in _before(shape, made_of, plan):
                measure("warm", engine.iso_port, zone, warm[1], warm[0], payers, watch)
            steady = _steady() if shape.holds else made_of
            found = measure(f"{growing} {value}", engine.iso_port, zone, plan, steady, payers, watch)
            memory = {
                "engine": cpu.memory_mb(engine.pid),
                "ledger writer": sum(map(cpu.memory_mb, cpu.children_of(engine.pid, "authsvc.ledger.sqlite_process"))),
                "Valkey": cpu.memory_mb(engine.valkey_pid),
            }
    result = found.result
    return Point(
        growing, value, result.per_second, result.latency.p50, result.latency.p99, found.cpu, memory, result.unanswered
    )


def _before(shape: Shape, made_of: Mix, plan: Plan) -> Iterator[tuple[Mix, Plan]]:
    """Holds, as many as are wanted of each account; else a few seconds of the very load."""
    if shape.holds:
        yield _paying(), replace(plan, seconds=120.0, most=shape.holds * shape.accounts)
    yield (_steady() if shape.holds else made_of), replace(plan, seconds=3.0, seed=2)


def _paying() -> Mix:
    demo = mix.load(ROOT / "loadtest/mixes/demo.toml")
    return Mix(accounts=demo.accounts, chip_pin=PAYMENT, zipf=0.0)


def _steady() -> Mix:
    """As many holds end as are placed."""
    return replace(_paying(), reversal=Afterwards(share=1))


def kept(file: Path) -> dict[tuple[str, int], Point]:
    """The points of earlier runs."""
    if not file.exists():
        return {}
    points = [msgspec.json.decode(line, type=Point) for line in file.read_bytes().splitlines()]
    return {(each.growing, each.value): each for each in points}


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--seconds", type=click.FloatRange(1, 600), default=10.0, help="Of each point.")
@click.option("--only", type=click.Choice(list(GROWING)), multiple=True, help="Of the four; all when not given.")
@click.option("--upto", type=click.IntRange(1), default=10**9, help="No point above this value.")
@click.option(
    "--file", type=click.Path(path_type=Path), default=ROOT / "var/growth.jsonl", help="Where points are kept."
)
@click.option("--fresh", is_flag=True, help="Measure every point anew.")
@click.option("--write", is_flag=True, help=f"Put tables and plots into {page.PAGE.relative_to(ROOT)}.")
def main(seconds: float, only: tuple[str, ...], upto: int, file: Path, fresh: bool, write: bool) -> None:
    """Measure what a message costs as accounts, holds, links and messages under way grow."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as Ctrl-C does: nothing that was started is left behind
    file.parent.mkdir(parents=True, exist_ok=True)
    if fresh:
        file.unlink(missing_ok=True)
    points = kept(file)
    for growing, value in _wanted(only, upto):
        if (growing, value) not in points:
            made = points[growing, value] = point(growing, value, seconds)
            with file.open("ab") as lines:
                lines.write(msgspec.json.encode(made) + b"\n")
            click.echo(f"{growing} {value}: {made.per_second:.0f} a second, {made.cost:.0f} µs")
    lines_ = list(_lines(points))
    click.echo("\n".join(lines_))
    if write:
        page.put("growth", [f"{page.machine()}, {seconds:.0f} s a point.", "", *lines_])
        for growing in GROWING:
            _draw(growing, _of(points, growing))


def _wanted(only: tuple[str, ...], upto: int) -> Iterator[tuple[str, int]]:
    for growing, values in GROWING.items():
        for value in values:
            if growing in (only or GROWING) and value <= upto:
                yield growing, value


def _of(points: dict[tuple[str, int], Point], growing: str) -> list[Point]:
    return sorted((each for each in points.values() if each.growing == growing), key=lambda each: each.value)


def knee_of(points: Sequence[Point]) -> tuple[Point, str] | None:
    """Where the curve turns, and why; None when it does not."""
    under_way = bool(points) and points[0].growing == "under way"
    return _saturated(points) if under_way else _dearer(points)


def _dearer(points: Sequence[Point]) -> tuple[Point, str] | None:
    """The first point that costs `KNEE` times the cheapest before it, and who takes the most of what was added."""
    for turn, each in enumerate(points):
        cheapest = min(points[:turn], key=lambda one: one.cost, default=each)
        if each.cost > KNEE * cheapest.cost:
            ours = {who: used - cheapest.cpu[who] for who, used in each.cpu.items() if who != "generator"}
            who = max(ours, key=lambda name: ours[name])
            return each, f"{who} takes {ours[who]:.0f} of the {each.cost - cheapest.cost:.0f} µs more"
    return None


def _saturated(points: Sequence[Point]) -> tuple[Point, str]:
    """More under way makes a message cheaper, until somebody is busy all the time; from there on it only waits longer."""
    most = max(each.per_second for each in points)
    knee = next(each for each in points if each.per_second >= FULL * most)
    who = max(knee.cpu, key=lambda name: knee.cpu[name])
    return knee, f"more only waits longer; {who} is busy {knee.cpu[who] * knee.per_second / 1e6:.0%} of a core by then"


def _lines(points: dict[tuple[str, int], Point]) -> Iterator[str]:
    """Markdown: a table for each that grows, its plot, its knee."""
    for growing in GROWING:
        found = _of(points, growing)
        if not found:
            continue
        who = [name for name in found[0].cpu if any(each.cpu[name] >= 0.5 for each in found)]
        yield f"### {growing.capitalize()}\n"
        header = (growing, "a second", "p50 ms", "p99 ms", "µs a message", *who, "engine MB", "Valkey MB")
        yield from page.table(header, [_row(each, who) for each in found])
        yield f"\n![cost of a message by {growing}]({_plot_file(growing).name})\n"
        knee = knee_of(found)
        yield (
            "No knee: nothing costs a quarter more than before.\n"
            if knee is None
            else f"Knee at {knee[0].value}: {knee[1]}.\n"
        )


def _row(each: Point, who: Sequence[str]) -> list[str]:
    used = [f"{each.cpu[name]:.0f}" for name in who]
    times = [f"{each.p50 / 1000:.1f}", f"{each.p99 / 1000:.1f}"]
    memory = [f"{each.memory[name]:.0f}" for name in ("engine", "Valkey")]
    return [f"{each.value}", f"{each.per_second:.0f}", *times, f"{each.cost:.0f}", *used, *memory]


def _plot_file(growing: str) -> Path:
    return page.PAGE.with_name(f"growth-{growing.replace(' ', '-')}.svg")


def _draw(growing: str, points: Sequence[Point]) -> None:
    if points:
        ours = [name for name in points[0].cpu if name != "generator"]
        curves = {"all": [(each.value, each.cost) for each in points]}
        curves |= {name: [(each.value, each.cpu[name]) for each in points] for name in ours}
        knee = knee_of(points)
        drawn = svg(f"CPU a message by {growing}", growing, "µs", curves, None if knee is None else knee[0].value)
        _plot_file(growing).write_text(drawn, "utf-8")


if __name__ == "__main__":
    main()
