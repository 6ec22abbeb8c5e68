"""One load on one server, measured: the rate, the latencies, and who used the processor."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvloop
from msgspec import Struct

from bench import cores, cpu
from loadtest import accounts, mix, report
from loadtest.__main__ import Target, run
from loadtest.engine import HOST, ROOT
from loadtest.generator import Plan
from loadtest.messages import Card, Kind
from loadtest.mix import Accounts
from loadtest.traffic import Payer

Cpu = dict[str, float]
Watch = Callable[[], Cpu]


class Measured(Struct, frozen=True):
    """One load. `cpu`: microseconds a message, by who used them; `stolen`: the share of our cores that the host of the machine
    gave to others meanwhile; `cores`: how quick they were; `began`: by `time.perf_counter`."""

    name: str
    result: report.Result
    cpu: Cpu
    stolen: float = 0.0
    cores: Sequence[cores.Sample] = ()
    began: float = 0.0

    @property
    def decisions_per_second(self) -> float:
        """Repeats are answered from what is known and decide nothing."""
        repeats = sum(self.result.codes.get(Kind.REPEAT.value, {}).values())
        return (self.result.answered - repeats) / self.result.seconds


def measure(
    name: str, port: int, zone: bytes, plan: Plan, made_of: mix.Mix, payers: Sequence[Payer], watch: Watch
) -> Measured:
    """Drive it from here; `watch`: seconds of processor time by who used them, up to now."""
    with cores.watched() as samples:
        before, taken, began = watch(), cpu.stolen(), time.perf_counter()
        result = uvloop.run(run(Target(HOST, port, zone), plan, made_of, payers))
        after, stolen = watch(), (cpu.stolen() - taken) / (time.perf_counter() - began) / (os.cpu_count() or 1)
    answered = max(1, result.answered)
    used = {who: (after[who] - before[who]) * 1e6 / answered for who in after}
    return Measured(name, result, used, stolen, samples, began)


def watching_engine(engine: int, valkey: int) -> Watch:
    """The event loops, the other threads beside them, the process that writes the ledger, Valkey, and us."""

    def watch() -> Cpu:
        processes = cpu.workers_of(engine) or [engine]
        loops = sum(map(cpu.of_main_thread, processes))
        return {
            "event loop": loops,
            "engine's threads": sum(map(cpu.of_process, processes)) - loops,
            "ledger writer": sum(map(cpu.of_process, cpu.children_of(engine, "authsvc.ledger.sqlite_process"))),
            "Valkey": cpu.of_process(valkey),
            "generator": cpu.of_process(os.getpid()),
        }

    return watch


def watching_server(pid: int) -> Watch:
    """A server of one process, its children, and us."""

    def watch() -> Cpu:
        children = sum(map(cpu.of_process, cpu.children_of(pid)))
        return {"server": cpu.of_process(pid), "Valkey": children, "generator": cpu.of_process(os.getpid())}

    return watch


@contextmanager
def server(module: str) -> Iterator[tuple[int, int]]:
    """`python -m MODULE FOLDER`, which prints its port: the port and its process id."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        process = subprocess.Popen([sys.executable, "-m", module, folder], cwd=ROOT, stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), process.pid
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def cards_file(wanted: Accounts, count: int) -> Iterator[tuple[Path, list[Card]]]:
    """A file for the import, and its cards: an account each, with funds and limits for all of it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "cards.jsonl"
        accounts.write(file, wanted, "bench", count)
        yield file, accounts.read(file, count)


def spent(measured: Measured) -> str:
    """CPU, the most first."""
    used = sorted(measured.cpu.items(), key=lambda pair: -pair[1])
    return ", ".join(
        f"{who} {microseconds:.{microseconds < 10:d}f}" for who, microseconds in used if microseconds > 0.05
    )
