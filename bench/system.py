"""The whole system in one run: `python -m bench.system`. Prints what docs/performance.md may claim; `--write` puts it there.

Four loads by one generator on one machine: a bare echo server of the same frames (the ceiling), the plain way (the floor,
module `plain`), the engine with as much under way as it can use (closed loop), and the engine at half of that rate on
schedule (open loop). All processes share the machine; a message's CPU time is what each of them used, over the messages
answered. A PostgreSQL server, which is not ours to start, is not in it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import click
from msgspec import Struct
from msgspec.structs import replace

from bench import cpu, page
from bench.loads import Measured, Watch, measure, server, spent, watching_engine, watching_server
from bench.profile import profiled
from loadtest import accounts, mix, report
from loadtest.__main__ import DEMO_MIX
from loadtest.engine import ROOT, PrivateEngine
from loadtest.generator import Plan
from loadtest.messages import Card, zone_key
from loadtest.traffic import Payer, payers_of

MOST = 10_000_000


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


class Found(Struct, frozen=True):
    """All four. `memory`: MB of engine, ledger writer and Valkey; `profile`: of the engine, lines."""

    echo: Measured
    plain: Measured
    full: Measured
    halved: Measured
    memory: tuple[float, float, float]
    profile: list[str]

    @property
    def all(self) -> tuple[Measured, ...]:
        return self.echo, self.plain, self.full, self.halved


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--seconds", type=click.FloatRange(1, 600), default=10.0, help="Of each load.")
@click.option("--accounts", "count", type=click.IntRange(1, 100_000), default=2_000, help="Accounts, a card each.")
@click.option("--links", type=click.IntRange(1, 1_000), default=8, help="TCP connections.")
@click.option("--under-way", type=click.IntRange(1, 256), default=32, help="On each link, closed loop.")
@click.option("--ledger", default="embedded", help="Of the engine: embedded, or the URL of an empty database.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, help="Of the engine; more than 1 need PostgreSQL.")
@click.option("--profile", "profiling", is_flag=True, help="Once more with py-spy beside the engine.")
@click.option("--write", is_flag=True, help=f"Put the tables into {page.PAGE.relative_to(ROOT)}.")
def main(
    seconds: float, count: int, links: int, under_way: int, ledger: str, workers: int, profiling: bool, write: bool
) -> None:
    """Measure the engine between its floor and its ceiling."""
    made_of, zone = mix.load(DEMO_MIX), zone_key(ROOT / "config/keys/demo.toml")
    kind = "SQLite WAL synchronous=FULL" if ledger == "embedded" else f"PostgreSQL, workers: {workers}"
    what = f"{count} accounts, {links} links, {under_way} under way on each, {seconds:.0f} s each; demo mix, {kind}"
    click.echo(f"{page.machine()}; all processes share them\n{what}")
    with PrivateEngine(clock="system", settings=(f"ledger.url={ledger}", f"workers={workers}")) as engine:
        cards = accounts.prepare(engine.api, made_of.accounts, "bench", count, lambda _done: None)
        loads = Loads(seconds, links, under_way, zone, made_of, cards)
        found = _measured(loads, engine, profiling)
    lines = list(_lines(found))
    click.echo("\n".join(lines))
    if write:
        page.put("system", [f"{page.machine()}. {what}.", "", *lines])
    sys.exit(0 if all(each.result.clean for each in found.all) else 1)


def _measured(loads: Loads, engine: PrivateEngine, profiling: bool) -> Found:
    """The floor first; the engine last, and what was found out about its cards goes with them from load to load."""
    with server("bench.echo") as (port, pid):
        bare = replace(loads.closed, expect="none")
        echo = loads.put("bare uvloop echo", port, bare, watching_server(pid), loads.payers())
    with server("bench.plain") as (port, pid):
        simple = replace(loads.closed, expect="basic")
        plain = loads.put("the plain way", port, simple, watching_server(pid), loads.payers())
    watch, payers = watching_engine(engine.pid, engine.valkey_pid), loads.payers()
    full = loads.put("authsvc", engine.iso_port, loads.closed, watch, payers)
    half = Plan(links=loads.links, seconds=loads.seconds, most=MOST, rate=full.result.per_second / 2)
    halved = loads.put("authsvc at half its rate", engine.iso_port, half, watch, payers)
    writers = cpu.children_of(engine.pid, "authsvc.ledger.sqlite_process")
    processes = cpu.workers_of(engine.pid) or [engine.pid]
    memory = (sum(map(cpu.memory_mb, processes)), sum(map(cpu.memory_mb, writers)), cpu.memory_mb(engine.valkey_pid))
    lines: list[str] = []
    if profiling:
        with profiled(processes[0], loads.seconds) as profile:
            loads.put("profiled", engine.iso_port, loads.closed, watch, payers)
        lines = profile.lines
    return Found(echo, plain, full, halved, memory, lines)


def _lines(found: Found) -> Iterator[str]:
    """Markdown."""
    loops = ("closed", "closed", "closed", "open")
    header = ("", "loop", "answers a second", "p50 ms", "p99 ms", "p99.9 ms", "µs of CPU a message, by who used them")
    rows = []
    for measured, loop in zip(found.all, loops, strict=True):
        latency = measured.result.latency
        times = (f"{each / 1000:.1f}" for each in (latency.p50, latency.p99, latency.p999))
        rows.append((measured.name, loop, f"{measured.result.per_second:.0f}", *times, spent(measured)))
    yield from page.table(header, rows)
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
    full, plain, echo = found.full, found.plain, found.echo
    yield f"- durable decisions a second: {full.decisions_per_second:.0f} (repeats decide nothing)"
    yield f"- against the plain way: {full.decisions_per_second / plain.decisions_per_second:.1f} times"
    yield f"- of the ceiling: {full.result.per_second / echo.result.per_second:.0%}"
    both = (full.result, found.halved.result)
    wrong, answered = sum(each.wrong for each in both), sum(each.answered for each in both)
    yield f"- wrong answers of the engine: {wrong} of {answered}, by the generator's own model of the rules"
    yield f"- p99 at half the rate, open loop: {found.halved.result.latency.p99 / 1000:.1f} ms"
    names = ("engine", "ledger writer", "Valkey")
    yield "- memory: " + ", ".join(f"{name} {mb:.0f} MB" for name, mb in zip(names, found.memory, strict=True))


if __name__ == "__main__":
    main()
