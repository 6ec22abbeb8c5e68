"""Against a mock: `python -m bench.mockhost --sim-python /path/to/python` (one that has iso8583sim; we do not).

The same third party's loop with the same messages, in turns on iso8583sim's stateless mock issuer host (`iso8583sim serve`,
which approves all and remembers nothing) and on the engine, which decides each by the rules and answers when it is durable. The
loop (`mockloop`) is run by that interpreter too. All processes share the machine. Prints approvals a second, and their ratio.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from bench import cores, cpu, page
from bench.loads import Watch, cards_file, watching_engine
from bench.profile import profiled
from loadtest import mix
from loadtest.__main__ import DEMO_MIX
from loadtest.api import EXPIRY
from loadtest.engine import ROOT, PrivateEngine, free_ports

LOOP = Path(__file__).with_name("mockloop.py")
START_SECONDS = 20.0
DIALECT = "iso87-ascii-binary"
"""iso8583sim's own by default; its requests have no DE7."""


class Shape(Struct, frozen=True):
    """Of a loop. `loop`: "bytes" or "client", see `mockloop`; `cards`: that take turns; `in_flight`: on each connection."""

    loop: str
    connections: int
    in_flight: int
    cards: int

    @property
    def name(self) -> str:
        client = "iso8583sim's client" if self.loop == "client" else "bytes"
        return f"{client}, {self.connections} × {self.in_flight}, cards: {self.cards}"


class Turn(Struct, frozen=True):
    """What the loop printed."""

    seconds: float
    codes: dict[str, int]
    p50_ms: float
    p99_ms: float
    cpu_seconds: float

    @property
    def answers(self) -> int:
        return sum(self.codes.values())

    @property
    def approvals_per_second(self) -> float:
        return self.codes.get("00", 0) / self.seconds


class Host(Struct):
    """One of the two. `watch`: processor seconds by who used them; `stan`: of the next message."""

    name: str
    port: int
    watch: Watch
    stan: int = 0


class Taken(Struct, frozen=True):
    """One shape on one host: its turns, and µs of CPU a message by who used them."""

    turns: list[Turn]
    cpu: dict[str, float]

    @property
    def rate(self) -> float:
        return statistics.median(turn.approvals_per_second for turn in self.turns)

    @property
    def approved(self) -> float:
        answers = sum(turn.answers for turn in self.turns)
        return sum(turn.codes.get("00", 0) for turn in self.turns) / max(1, answers)


def shape(text: str) -> Shape:
    """As "bytes:8x32:2000" or "client:1x1:1". Raises BadParameter."""
    try:
        loop, counts, cards = text.split(":")
        connections, in_flight = counts.split("x")
        found = Shape(loop, int(connections), int(in_flight), int(cards))
    except ValueError:
        raise click.BadParameter(f"{text}: expected LOOP:CONNECTIONSxIN_FLIGHT:CARDS, as bytes:8x32:2000") from None
    if found.loop not in ("bytes", "client"):
        raise click.BadParameter(f"{text}: the loop is bytes or client")
    return found


DEFAULT_SHAPES = "bytes:1x1:1000,bytes:8x1:4000,bytes:1x64:4000,bytes:8x32:4000,client:1x10:4000,client:8x32:4000"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--sim-python", required=True, help="An interpreter that has iso8583sim.")
@click.option("--shapes", default=DEFAULT_SHAPES, metavar="LOOP:CxN:CARDS,…", help="Connections x in flight on each.")
@click.option("--seconds", type=click.FloatRange(0.5, 600), default=5.0, help="Of one turn.")
@click.option(
    "--turns", type=click.IntRange(1, 100), default=3, help="Of each host, for each shape; the median counts."
)
@click.option("--profile", "profiling", is_flag=True, help="Each shape once more with py-spy beside the engine.")
@click.option("--write", is_flag=True, help=f"Put the table into {page.PAGE.relative_to(ROOT)}.")
def main(sim_python: str, shapes: str, seconds: float, turns: int, profiling: bool, write: bool) -> None:
    """Durable approvals a second against a mock's undecided ones."""
    wanted = [shape(text) for text in shapes.split(",")]
    settings = (f"listeners.main.dialect={DIALECT}",)
    with (
        cards_file(mix.load(DEMO_MIX).accounts, sum(each.cards for each in wanted)) as (file, cards),
        PrivateEngine(clock="system", settings=settings, cards=file) as engine,
        mock(sim_python) as (port, pid),
        cores.watched() as samples,
    ):
        sim = Host("iso8583sim", port, lambda: {"server": cpu.of_process(pid)})
        ours = Host("authsvc", engine.iso_port, watching_engine(engine.pid, engine.valkey_pid))
        rows, pans = [], [card.pan for card in cards]
        for each in wanted:
            fresh, pans = pans[: each.cards], pans[each.cards :]  # holds of one shape are not the next one's
            rows.append(row(each, *_in_turns(sim_python, each, (sim, ours), fresh, seconds, turns)))
            click.echo(" | ".join(rows[-1]))
            if profiling:
                with profiled(engine.pid, seconds) as profile:
                    _turn(sim_python, each, ours, fresh, seconds)
                click.echo("\n".join(profile.lines))
    others = f"{cores.shared(samples, cores.alone(samples)):.0%} of the time somebody else computed on the same cores"
    lines = [f"{page.machine()}, {turns} turns of {seconds:.0f} s, medians; {others}.", "", *page.table(HEADER, rows)]
    click.echo("\n".join(lines))
    if write:
        page.put("mockhost", lines)


HEADER = (
    "loop, connections × in flight", "mock: approvals a second", "authsvc: durable approvals a second", "ratio",
    "p50 ms, mock / authsvc", "p99 ms", "approved", "µs of CPU a message: mock", "authsvc", "the loop's own, mock / authsvc",
)  # fmt: skip


@contextmanager
def mock(sim_python: str) -> Iterator[tuple[int, int]]:
    """`iso8583sim serve` with its defaults: port and process id."""
    (port,) = free_ports(1)
    command = [str(Path(sim_python).with_name("iso8583sim")), "serve", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        if b"listening" not in process.stdout.readline():
            raise click.ClickException(f"{sim_python} has no iso8583sim that serves")
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _in_turns(
    sim_python: str, wanted: Shape, hosts: Sequence[Host], pans: list[str], seconds: float, turns: int
) -> list[Taken]:
    """One after the other and again, so that what else the machine does hits both."""
    taken = [Taken([], {}) for _ in hosts]
    for _ in range(turns):
        for host, found in zip(hosts, taken, strict=True):
            before = host.watch()
            turn = _turn(sim_python, wanted, host, pans, seconds)
            found.turns.append(turn)
            after = {**host.watch(), "loop": turn.cpu_seconds}
            for who, used in after.items():
                found.cpu[who] = found.cpu.get(who, 0.0) + used - before.get(who, 0.0)
    for found in taken:
        answers = sum(turn.answers for turn in found.turns)
        for who in found.cpu:
            found.cpu[who] *= 1e6 / max(1, answers)
    return taken


def _turn(sim_python: str, wanted: Shape, host: Host, pans: list[str], seconds: float) -> Turn:
    asked = {
        "port": host.port, "loop": wanted.loop, "connections": wanted.connections, "in_flight": wanted.in_flight,
        "seconds": seconds, "first_stan": host.stan, "pans": pans, "expiry": EXPIRY, "currency": "985",
    }  # fmt: skip
    done = subprocess.run([sim_python, str(LOOP)], input=json.dumps(asked).encode(), stdout=subprocess.PIPE, check=True)
    turn = msgspec.json.decode(done.stdout, type=Turn)
    host.stan += turn.answers
    time.sleep(0.2)  # what it left to do is not the next one's
    return turn


def row(wanted: Shape, sim: Taken, ours: Taken) -> list[str]:
    used = {who: share for who, share in ours.cpu.items() if who not in ("generator", "loop") and share > 0.5}
    return [
        wanted.name, f"{sim.rate:.0f}", f"{ours.rate:.0f}", f"{ours.rate / sim.rate:.2f}",
        *(f"{statistics.median(getattr(turn, name) for turn in sim.turns):.1f} / "
          f"{statistics.median(getattr(turn, name) for turn in ours.turns):.1f}" for name in ("p50_ms", "p99_ms")),
        f"{ours.approved:.1%}", f"{sim.cpu['server']:.0f}",
        ", ".join(f"{who} {share:.0f}" for who, share in used.items()), f"{sim.cpu['loop']:.0f} / {ours.cpu['loop']:.0f}",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
