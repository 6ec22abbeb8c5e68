"""The whole system in one run: `python -m bench.system`. Prints what docs/performance.md may claim.

Three loads by one generator on one machine: a bare echo server of the same frames (the ceiling), the engine with as
much under way as it can use (closed loop), and the engine at half of that rate on schedule (open loop). All processes
share the machine; a message's CPU time is what each of them used, over the messages answered. The PostgreSQL server, which
is not ours to start, is not in it.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import click
import uvloop

from bench import cpu
from loadtest import accounts, mix, report
from loadtest.__main__ import DEMO_MIX, open_cards, run, wallets_of
from loadtest.engine import HOST, ROOT, PrivateEngine
from loadtest.generator import Plan
from loadtest.messages import Kind, zone_key
from loadtest.traffic import Wallet

Cpu = dict[str, float]


class Measured(NamedTuple):
    """One load. `cpu`: microseconds a message, by who used them."""

    name: str
    result: report.Result
    cpu: Cpu

    @property
    def decisions_per_second(self) -> float:
        """Repeats are answered from the journal and decide nothing."""
        repeats = sum(self.result.codes.get(Kind.REPEAT.value, {}).values())
        return (self.result.answered - repeats) / self.result.seconds


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--seconds", type=click.FloatRange(1, 600), default=10.0, help="Of each load.")
@click.option("--accounts", "count", type=click.IntRange(1, 100_000), default=2_000, help="Accounts, a card each.")
@click.option("--links", type=click.IntRange(1, 1_000), default=8, help="TCP connections.")
@click.option("--under-way", type=click.IntRange(1, 256), default=32, help="On each link, closed loop.")
@click.option(
    "--ledger", default="embedded", help="Of the engine: embedded, or the URL of an empty PostgreSQL database."
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, help="Of the engine; more than 1 need PostgreSQL.")
def main(seconds: float, count: int, links: int, under_way: int, ledger: str, workers: int) -> None:
    """Measure the engine beside its ceiling."""
    made_of, zone = mix.load(DEMO_MIX), zone_key(ROOT / "config/keys/demo.toml")
    click.echo(
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; all processes share them"
    )
    kind = "SQLite WAL synchronous=FULL" if ledger == "embedded" else f"PostgreSQL, workers: {workers}"
    click.echo(f"{count} accounts, {links} links, {under_way} under way on each; demo mix, {kind}")
    closed = Plan(links=links, seconds=seconds, most=10_000_000, under_way=under_way)
    with PrivateEngine(clock="system", settings=(f"ledger.url={ledger}", f"workers={workers}")) as engine:
        cards = accounts.prepare(engine.api, made_of.accounts, "bench", count, lambda _done: None)
        wallets = wallets_of(cards, zone)
        uvloop.run(open_cards(HOST, engine.iso_port, wallets))
        watch = _watching_engine(engine.pid, engine.valkey_pid)
        full = _measure("authsvc, closed loop", engine.iso_port, closed, made_of, wallets, watch)
        half = Plan(links=links, seconds=seconds, most=10_000_000, rate=full.result.per_second / 2)
        halved = _measure("authsvc, open loop at half", engine.iso_port, half, made_of, wallets, watch)
        processes = cpu.workers_of(engine.pid) or [engine.pid]
        memory = sum(map(cpu.memory_mb, processes)), cpu.memory_mb(engine.valkey_pid)
    with _echo_server() as (port, pid):
        bare = Plan(links=links, seconds=seconds, most=10_000_000, under_way=under_way, expect="none")
        echo = _measure("bare uvloop echo, closed loop", port, bare, made_of, wallets, _watching_echo(pid))
    _print(echo, full, halved, memory)
    sys.exit(0 if full.result.clean and halved.result.clean and echo.result.clean else 1)


def _measure(
    name: str, port: int, plan: Plan, made_of: mix.Mix, wallets: list[Wallet], watch: Callable[[], Cpu]
) -> Measured:
    before = watch()
    result = uvloop.run(run(HOST, port, plan, made_of, wallets))
    after = watch()
    answered = max(1, result.answered)
    return Measured(name, result, {who: (after[who] - before[who]) * 1e6 / answered for who in after})


def _watching_engine(engine: int, valkey: int) -> Callable[[], Cpu]:
    def watch() -> Cpu:
        processes = cpu.workers_of(engine) or [engine]
        loops = sum(map(cpu.of_main_thread, processes))
        return {
            "engine loops": loops,
            "engine threads": sum(map(cpu.of_process, processes)) - loops,
            "valkey": cpu.of_process(valkey),
            "generator": cpu.of_process(os.getpid()),
        }

    return watch


def _watching_echo(echo: int) -> Callable[[], Cpu]:
    return lambda: {"echo": cpu.of_process(echo), "generator": cpu.of_process(os.getpid())}


@contextmanager
def _echo_server() -> Iterator[tuple[int, int]]:
    """Its port and process id."""
    process = subprocess.Popen([sys.executable, "-m", "bench.echo"], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
    finally:
        process.terminate()
        process.wait(10)


def _print(echo: Measured, full: Measured, halved: Measured, memory: tuple[float, float]) -> None:
    for measured in (echo, full, halved):
        click.echo(f"\n{measured.name}: {measured.result.per_second:.0f} answers a second")
        click.echo(f"  latency in ms   {report.latency_line(measured.result.latency)}")
        used = "  ".join(f"{who} {spent:.0f}" for who, spent in measured.cpu.items())
        click.echo(f"  CPU µs a message   {used}")
        if not measured.result.clean:
            click.echo("  NOT CLEAN: " + "; ".join(list(report.lines(measured.result))[:2]))
    click.echo(f"\ndurable decisions a second: {full.decisions_per_second:.0f}")
    ratio = full.result.per_second / echo.result.per_second
    click.echo(f"of the ceiling: {ratio:.1%}")
    click.echo(f"p99 at half that rate: {halved.result.latency.p99 / 1000:.1f} ms")
    click.echo(f"memory in MB: engine {memory[0]:.0f}, Valkey {memory[1]:.0f}")


if __name__ == "__main__":
    main()
