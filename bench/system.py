"""The whole system in one run: `python -m bench.system`. Prints what docs/performance.md may claim; `--write` puts it there.

Four loads by one generator on one machine: a bare echo server of the same frames (the ceiling), the plain way (the floor,
module `plain`), the engine with as much under way as it can use (closed loop), and the engine at half of that rate on
schedule (open loop). All four, then all four again, several turns: the speed of a shared machine changes within minutes, and
what is compared has to be measured next to each other. Medians count. All processes share the machine; a message's CPU time is
what each of them used, over the messages answered. A PostgreSQL server, which is not ours to start, is not in it.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator, Sequence

import click
from msgspec import Struct
from msgspec.structs import replace

from bench import cores, cpu, page
from bench.loads import Measured, Watch, cards_file, measure, server, spent, watching_engine, watching_server
from bench.profile import profiled
from loadtest import accounts, mix, report
from loadtest.__main__ import DEMO_MIX
from loadtest.engine import ROOT, PrivateEngine
from loadtest.generator import Plan
from loadtest.messages import Card, zone_key
from loadtest.timeline import Second
from loadtest.traffic import Payer, payers_of

MOST = 10_000_000
WHOLE = 0.9
"""Seconds of an interval that is not the last, cut off one."""


class Loads(Struct, frozen=True):
    """What is put on each server. `zone`: key of PIN blocks; `mix`: of messages."""

    seconds: float
    links: int
    under_way: int
    zone: bytes
    mix: mix.Mix
    cards: Sequence[Card]

    @property
    def closed(self) -> Plan:
        return Plan(links=self.links, seconds=self.seconds, most=MOST, under_way=self.under_way)

    def payers(self) -> list[Payer]:
        """Cards that no server has seen: their answers are known beforehand."""
        return payers_of(self.cards, self.zone, accounts.fresh(self.mix.accounts, self.cards))

    def put(self, name: str, port: int, plan: Plan, watch: Watch, payers: Sequence[Payer]) -> Measured:
        return measure(name, port, self.zone, plan, self.mix, payers, watch)


class Turn(Struct, frozen=True):
    """All four, one after the other."""

    echo: Measured
    plain: Measured
    full: Measured
    halved: Measured

    @property
    def times_plain(self) -> float:
        return self.full.decisions_per_second / self.plain.decisions_per_second

    @property
    def of_ceiling(self) -> float:
        return self.full.result.per_second / self.echo.result.per_second


class Found(Struct, frozen=True):
    """`memory`: MB of engine, ledger writer and Valkey at the end; `profile`: of the engine, lines."""

    turns: list[Turn]
    memory: tuple[float, float, float]
    profile: list[str]

    @property
    def medians(self) -> tuple[Measured, ...]:
        """Of each load the turn in the middle: by rate, of the open loop by p99."""
        loads = [[getattr(turn, name) for turn in self.turns] for name in ("echo", "plain", "full")]
        middle = [_middle(load, lambda each: each.result.per_second) for load in loads]
        return (*middle, _middle([turn.halved for turn in self.turns], lambda each: each.result.latency.p99))

    @property
    def all(self) -> Iterator[Measured]:
        for turn in self.turns:
            yield from (turn.echo, turn.plain, turn.full, turn.halved)


def _middle(of: Sequence[Measured], by: Callable[[Measured], float]) -> Measured:
    return sorted(of, key=by)[len(of) // 2]


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--seconds", type=click.FloatRange(1, 600), default=5.0, help="Of each load in each turn.")
@click.option("--turns", type=click.IntRange(1, 100), default=3, help="Of all four loads.")
@click.option(
    "--accounts", "count", type=click.IntRange(1, 100_000), default=2_000, help="Accounts in each turn, a card each."
)
@click.option("--links", type=click.IntRange(1, 1_000), default=8, help="TCP connections.")
@click.option("--under-way", type=click.IntRange(1, 256), default=32, help="On each link, closed loop.")
@click.option("--ledger", default="embedded", help="Of the engine: embedded, or the URL of an empty database.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, help="Of the engine; more than 1 need PostgreSQL.")
@click.option("--profile", "profiling", is_flag=True, help="Once more with py-spy beside the engine.")
@click.option("--write", is_flag=True, help=f"Put the tables into {page.PAGE.relative_to(ROOT)}.")
def main(
    seconds: float, turns: int, count: int, links: int, under_way: int, ledger: str, workers: int,
    profiling: bool, write: bool,
) -> None:  # fmt: skip
    """Measure the engine between its floor and its ceiling."""
    made_of, zone = mix.load(DEMO_MIX), zone_key(ROOT / "config/keys/demo.toml")
    kind = "SQLite WAL synchronous=FULL" if ledger == "embedded" else f"PostgreSQL, workers: {workers}"
    sizes = f"{count} fresh accounts a turn, {links} links, {under_way} under way on each"
    what = f"{sizes}, {turns} turns of {seconds:.0f} s each; demo mix, {kind}"
    click.echo(f"{page.machine()}; all processes share them\n{what}")
    settings = (f"ledger.url={ledger}", f"workers={workers}")
    with (
        cards_file(made_of.accounts, count * (turns + profiling)) as (file, cards),
        PrivateEngine(clock="system", settings=settings, cards=file) as engine,
    ):
        each = [cards[at : at + count] for at in range(0, len(cards), count)]
        found = _measured([Loads(seconds, links, under_way, zone, made_of, fresh) for fresh in each], engine, profiling)
    lines = list(_lines(found))
    click.echo("\n".join(lines))
    if write:
        page.put("system", [f"{page.machine()}. {what}.", "", *lines])
    sys.exit(0 if all(each.result.clean for each in found.all) else 1)


def _measured(loads: list[Loads], engine: PrivateEngine, profiling: bool) -> Found:
    """All servers are up all the time: one that has nothing to do uses nothing. Each turn has accounts of its own: one that has
    hundreds of messages behind it costs more, and a later turn would not be the same as the first."""
    watch, last = watching_engine(engine.pid, engine.valkey_pid), loads.pop() if profiling else None
    with server("bench.echo") as echo, server("bench.plain") as plain:
        made = [_turn(each, engine, echo, plain, watch) for each in loads]
    writers = cpu.children_of(engine.pid, "authsvc.ledger.sqlite_process")
    processes = cpu.workers_of(engine.pid) or [engine.pid]
    memory = (sum(map(cpu.memory_mb, processes)), sum(map(cpu.memory_mb, writers)), cpu.memory_mb(engine.valkey_pid))
    lines: list[str] = []
    if last is not None:
        with profiled(processes[0], last.seconds) as profile:
            last.put("profiled", engine.iso_port, last.closed, watch, last.payers())
        lines = profile.lines
    return Found(made, memory, lines)


def _turn(loads: Loads, engine: PrivateEngine, echo: tuple[int, int], plain: tuple[int, int], watch: Watch) -> Turn:
    """`echo`, `plain`: port and process. What is found out about the engine's cards goes with them to its second load."""
    payers = loads.payers()
    bare = replace(loads.closed, expect="none")
    ceiling = loads.put("bare uvloop echo", echo[0], bare, watching_server(echo[1]), loads.payers())
    simple = replace(loads.closed, expect="basic")
    floor = loads.put("the plain way", plain[0], simple, watching_server(plain[1]), loads.payers())
    full = loads.put("authsvc", engine.iso_port, loads.closed, watch, payers)
    half = Plan(links=loads.links, seconds=loads.seconds, most=MOST, rate=full.result.per_second / 2)
    halved = loads.put("authsvc at half its rate", engine.iso_port, half, watch, payers)
    return Turn(ceiling, floor, full, halved)


HEADER = (
    "", "loop", "answers a second", "p50 ms", "p99 ms", "p99.9 ms", "µs of CPU a message, by who used them",
    "taken by the host",
)  # fmt: skip


def _lines(found: Found) -> Iterator[str]:
    """Markdown."""
    rows = []
    for measured, loop in zip(found.medians, ("closed", "closed", "closed", "open"), strict=True):
        latency = measured.result.latency
        times = (f"{each / 1000:.1f}" for each in (latency.p50, latency.p99, latency.p999))
        rate = f"{measured.result.per_second:.0f}"
        rows.append((measured.name, loop, rate, *times, spent(measured), f"{measured.stolen:.1%}"))
    yield from page.table(HEADER, rows)
    yield ""
    yield from _claims(found)
    for measured in found.all:
        if not measured.result.clean:
            yield f"- NOT CLEAN: {measured.name}: " + "; ".join(list(report.lines(measured.result))[:2])
    if found.profile:
        yield "\nThe engine's process under that load (py-spy, samples that hold the interpreter lock):\n\n```"
        yield from found.profile
        yield "```"


def _claims(found: Found) -> Iterator[str]:
    turns = found.turns
    decisions = [turn.full.decisions_per_second for turn in turns]
    yield f"- durable decisions a second: {_each(decisions, '.0f')} (repeats decide nothing)"
    yield f"- against the plain way, turn by turn: {_each([turn.times_plain for turn in turns], '.1f')} times"
    yield f"- of the ceiling: {_each([turn.of_ceiling for turn in turns], '.0%')}"
    both = [measured.result for turn in turns for measured in (turn.full, turn.halved)]
    wrong, answered = sum(each.wrong for each in both), sum(each.answered for each in both)
    yield f"- wrong answers of the engine: {wrong} of {answered}, by the generator's own model of the rules"
    late = [turn.halved.result.latency.p99 / 1000 for turn in turns]
    yield f"- p99 at half the rate, open loop: {_each(late, '.1f')} ms"
    stolen = [turn.halved.stolen for turn in turns]
    yield f"- of the cores, the host gave to others meanwhile: {_each(stolen, '.1%')}"
    yield from _neighbours(found)
    names = ("engine", "ledger writer", "Valkey")
    yield "- memory: " + ", ".join(f"{name} {mb:.0f} MB" for name, mb in zip(names, found.memory, strict=True))


def _neighbours(found: Found) -> Iterator[str]:
    """Whether somebody else was on our cores, and what became of rate and p99 while he was and while he was not."""
    alone = cores.alone([sample for measured in found.all for sample in measured.cores])
    halves = [turn.halved for turn in found.turns]
    times = [cores.shared(half.cores, alone) for half in halves]
    yield f"- of that time, somebody else computed on the same cores (`bench/cores.py`): {_each(times, '.0%')}"
    rates = _by_company([turn.full for turn in found.turns], alone, lambda second: second.answered)
    late = _by_company(halves, alone, lambda second: second.p99 / 1000)
    for what, parts, form in (
        ("answers in a second, closed loop", rates, ".0f"),
        ("p99 of a second at half the rate, ms", late, ".1f"),
    ):
        if parts is not None:
            ours, theirs = (f"{part.median:{form}} (shared {part.least:.0%} to {part.most:.0%})" for part in parts)
            yield f"- {what}, median of the third of all seconds in which the cores were most ours: {ours}; least: {theirs}"


class Company(Struct, frozen=True):
    """Some seconds, by how much of the cores others had: from `least` to `most`; the `median` of something in them."""

    least: float
    most: float
    median: float


def _by_company(
    loads: Sequence[Measured], alone: float, value: Callable[[Second], float]
) -> tuple[Company, Company] | None:
    """The third of all whole seconds in which the cores were most our own, and the third in which they were least; None where a
    load took no whole second."""
    seconds = []
    for load in loads:
        for last, second in zip((0.0, *(each.at for each in load.result.timeline)), load.result.timeline, strict=False):
            if second.at - last > WHOLE:
                during = cores.between(load.cores, load.began + last, load.began + second.at)
                seconds.append((cores.shared(during, alone), value(second)))
    if not seconds:
        return None
    seconds.sort()
    third = max(1, len(seconds) // 3)
    ours, theirs = (
        Company(part[0][0], part[-1][0], statistics.median(found for _, found in part))
        for part in (seconds[:third], seconds[-third:])
    )
    return ours, theirs


def _each(values: Sequence[float], form: str) -> str:
    """The one in the middle, and all of them when there are several."""
    told = format(sorted(values)[len(values) // 2], form)
    return told if len(values) == 1 else f"{told} ({', '.join(format(value, form) for value in values)})"


if __name__ == "__main__":
    main()
