"""The whole system in one run: `python -m bench.system`. Prints what docs/performance.md may claim; --write puts it there.

Four loads by one generator on one machine: a bare echo server of the same frames (the ceiling), the plain way (the floor,
module `plain`), the engine with as much under way as it can use (closed loop), and the engine at half of that rate on
schedule (open loop). All processes share the machine; a message's CPU time is what each of them used, over the messages
answered. The PostgreSQL server, which is not ours to start, is not in it.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import click
import uvloop
from msgspec.structs import replace

from bench import cpu, performance
from loadtest import accounts, mix, report
from loadtest.__main__ import DEMO_MIX, Target, run
from loadtest.engine import HOST, ROOT, PrivateEngine
from loadtest.generator import Plan
from loadtest.messages import Card, Kind, zone_key
from loadtest.traffic import payers_of

Cpu = dict[str, float]
MOST = 10_000_000
ZONE = zone_key(ROOT / "config/keys/demo.toml")


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


class Bank(NamedTuple):
    """Cards that were imported into a ledger, and where it is."""

    made_of: mix.Mix
    cards: list[Card]
    data_dir: Path
    settings: tuple[str, ...]


def imported(folder: Path, count: int, settings: tuple[str, ...] = (), name: str = "bench") -> Bank:
    """`count` fresh accounts of the demo mix, by `authsvc account import`."""
    made_of = mix.load(DEMO_MIX)
    wanted, limits, cards = made_of.accounts, made_of.accounts.limits, folder / "cards.csv"
    words = [
        str(Path(sys.executable).with_name("authsvc")), "account", "import", "--generate", str(count), "--name", name,
        "--product", wanted.product, "--pin", wanted.pin, "--credit-limit", str(wanted.credit_limit),
        "--cash", str(limits.cash), "--cashless", str(limits.cashless), "--internet", str(limits.internet),
        "--cards-out", str(cards), "--set", f"data_dir={folder / 'data'}",
    ]  # fmt: skip
    for setting in settings:
        words += ["--set", setting]
    subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return Bank(made_of, accounts.read(cards, count), folder / "data", settings)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--seconds", type=click.FloatRange(1, 600), default=10.0, help="Of each load.")
@click.option("--accounts", "count", type=click.IntRange(500, 2_000_000), default=10_000, help="Accounts, a card each.")
@click.option("--links", type=click.IntRange(1, 1_000), default=8, help="TCP connections.")
@click.option("--under-way", type=click.IntRange(1, 256), default=32, help="On each link, closed loop.")
@click.option(
    "--ledger", default="embedded", help="Of the engine: embedded, or the URL of an empty PostgreSQL database."
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, help="Of the engine; more than 1 need PostgreSQL.")
@click.option(
    "--profile", type=click.Path(path_type=Path), help="Where py-spy, if there is one, writes a flame graph (SVG)."
)
@click.option("--write", is_flag=True, help="Put the table into docs/performance.md.")
def main(
    seconds: float, count: int, links: int, under_way: int, ledger: str, workers: int, profile: Path | None, write: bool
) -> None:
    """Measure the engine between its ceiling and the plain way."""
    kind = "SQLite WAL synchronous=FULL" if ledger == "embedded" else f"PostgreSQL, {workers} workers"
    machine = (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; all processes share them"
    )
    click.echo(f"{machine}\n{count} accounts, {links} links, {under_way} under way on each; demo mix, {kind}")
    closed = Plan(links=links, seconds=seconds, most=MOST, under_way=under_way)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        bank = imported(Path(name), count, (f"ledger.url={ledger}", f"workers={workers}"))
        echo = _bare("bare uvloop echo", "bench.echo", replace(closed, expect="none"), bank)
        plain = _bare("the plain way", "bench.plain", replace(closed, expect="basic"), bank)
        full, halved, memory = _engine(closed, bank, profile)
    lines = list(_table((echo, plain, full, halved))) + list(_ratios(echo, plain, full, halved, memory))
    click.echo("\n".join(lines))
    if write:
        said = " ".join(["python -m bench.system", *sys.argv[1:]])
        head = [
            f"`{said}`, {datetime.now(UTC):%Y-%m-%d}: {machine}; {count} accounts, {links} links × {under_way}, {kind}.",
            "",
        ]
        performance.write("system", [*head, *lines])
    sys.exit(0 if all(each.result.clean for each in (echo, plain, full, halved)) else 1)


def _engine(closed: Plan, bank: Bank, profile: Path | None) -> tuple[Measured, Measured, tuple[float, float]]:
    """Closed loop, half of that rate, memory in MB of engine and Valkey."""
    with PrivateEngine("system", bank.settings, bank.data_dir) as engine:
        payers = payers_of(bank.cards, ZONE, accounts.fresh(bank.made_of.accounts, bank.cards))
        target, watch = Target(HOST, engine.iso_port, ZONE), watching(engine)

        def measure(name: str, plan: Plan) -> Measured:
            return measured(name, watch, lambda: uvloop.run(run(target, plan, bank.made_of, payers)))

        with profiled(engine.pid, profile, closed.seconds):
            full = measure("authsvc, closed loop", closed)
        half = replace(closed, under_way=0, rate=full.result.per_second / 2, seed=2)
        halved = measure("authsvc, open loop at half", half)
        processes = cpu.workers_of(engine.pid) or [engine.pid]
        return full, halved, (sum(map(cpu.memory_mb, processes)), cpu.memory_mb(engine.valkey_pid))


def measured(name: str, watch: Callable[[], Cpu], load: Callable[[], report.Result]) -> Measured:
    before = watch()
    result = load()
    after = watch()
    answered = max(1, result.answered)
    spent = {who: max(0.0, after[who] - before[who]) for who in after}  # below 0: two clocks of whole ticks, read apart
    return Measured(name, result, {who: seconds * 1e6 / answered for who, seconds in spent.items()})


def watching(engine: PrivateEngine) -> Callable[[], Cpu]:
    """CPU seconds until now, by process and by group of threads."""
    processes = cpu.workers_of(engine.pid) or [engine.pid]
    writers = [child for pid in processes for child, runs in cpu.children_of(pid).items() if "sqlite_process" in runs]

    def watch() -> Cpu:
        loops = sum(map(cpu.of_main_thread, processes))
        return {
            "event loop": loops,
            "engine's threads": sum(map(cpu.of_process, processes)) - loops,
            "ledger writer": sum(map(cpu.of_process, writers)),
            "Valkey": cpu.of_process(engine.valkey_pid),
            "generator": cpu.of_process(os.getpid()),
        }

    return watch


@contextmanager
def profiled(pid: int, profile: Path | None, seconds: float) -> Iterator[None]:
    """py-spy beside the load, where it is installed; else nothing."""
    program = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if profile is None or program is None:
        if profile is not None:
            click.echo("no py-spy here: pip install py-spy", err=True)
        yield
        return
    words = [
        program,
        "record",
        "--nonblocking",
        "--duration",
        str(int(seconds)),
        "--output",
        str(profile),
        "--pid",
        str(pid),
    ]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as spy:
        yield
        spy.wait(60)


def _bare(name: str, module: str, plan: Plan, bank: Bank) -> Measured:
    """Load on a server that is a module here and prints its port, and the process ids of its helpers."""
    payers = payers_of(bank.cards, ZONE)
    with subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port, *helpers = map(int, process.stdout.readline().split())

            def watch() -> Cpu:
                own = {"server": cpu.of_process(process.pid), "generator": cpu.of_process(os.getpid())}
                return own | ({"Valkey": sum(map(cpu.of_process, helpers))} if helpers else {})

            target = Target(HOST, port, ZONE)
            return measured(name, watch, lambda: uvloop.run(run(target, plan, bank.made_of, payers)))
        finally:
            process.terminate()


def _table(all_of_them: tuple[Measured, ...]) -> Iterator[str]:
    yield "| load | answers a second | p50 ms | p99 ms | p99.9 ms | wrong | CPU µs a message |"
    yield "|---|---:|---:|---:|---:|---:|---|"
    for one in all_of_them:
        late = one.result.latency
        used = ", ".join(f"{who} {spent:.0f}" for who, spent in one.cpu.items())
        times = " | ".join(f"{value / 1000:.2f}" for value in (late.p50, late.p99, late.p999))
        yield f"| {one.name} | {one.result.per_second:.0f} | {times} | {one.result.wrong} | {used} |"


def _ratios(
    echo: Measured, plain: Measured, full: Measured, halved: Measured, memory: tuple[float, float]
) -> Iterator[str]:
    yield ""
    yield f"- durable decisions a second: **{full.decisions_per_second:.0f}**"
    yield f"- times the plain way: **{full.result.per_second / max(plain.result.per_second, 1e-9):.1f}**"
    yield f"- of the ceiling: {full.result.per_second / max(echo.result.per_second, 1e-9):.1%}"
    yield f"- p99 at half that rate, open loop: {halved.result.latency.p99 / 1000:.1f} ms"
    yield f"- memory: engine {memory[0]:.0f} MB, Valkey {memory[1]:.0f} MB"
    for one in (echo, plain, full, halved):
        if not one.result.clean:
            yield f"- NOT CLEAN, {one.name}: " + "; ".join(list(report.lines(one.result))[:2])


if __name__ == "__main__":
    main()
