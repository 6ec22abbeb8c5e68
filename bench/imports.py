"""Accounts a second by `authsvc account import`: `python -m bench.imports --accounts 300000`. Into an empty SQLite ledger on
the disk of `--folder`, or a PostgreSQL database. Two threads share a process; CPU is told for each.

Not measured: reading the settings, making the file.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from authsvc import cli_import, config
from authsvc.importing.reading import read
from authsvc.importing.run import run
from authsvc.ledger.bulk import BulkLedger, Fate, Opened
from bench import page
from loadtest import accounts, mix
from loadtest.__main__ import DEMO_MIX
from loadtest.engine import ROOT


class Timed:
    """A ledger, and the CPU seconds of the thread that writes to it."""

    def __init__(self, ledger: BulkLedger) -> None:
        self.cpu = 0.0
        self._ledger = ledger

    def open(self, opened: Sequence[Opened]) -> list[Fate]:
        started = time.thread_time()
        try:
            return self._ledger.open(opened)
        finally:
            self.cpu += time.thread_time() - started

    def close(self) -> None:
        self._ledger.close()


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--accounts", "count", type=click.IntRange(1, 5_000_000), default=300_000)
@click.option(
    "--folder", type=click.Path(path_type=Path), default=ROOT / "var", help="Where the ledger is put, and removed."
)
@click.option("--ledger", default=config.EMBEDDED, help="embedded, or the URL of an empty database.")
def main(count: int, folder: Path, ledger: str) -> None:
    """Measure the import."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix="import-") as data:
        file = Path(data) / "cards.jsonl"
        accounts.write(file, mix.load(DEMO_MIX).accounts, "imports", count)
        loaded = config.load(ROOT / "config/demo.toml", (f"data_dir={data}", f"ledger.url={ledger}"))
        click.echo(f"{page.machine()}; {count} accounts, a card each; {ledger.partition(':')[0]}")
        click.echo(_measured(loaded, file, count))


def _measured(loaded: config.Config, file: Path, count: int) -> str:
    opener = cli_import.opener_of(loaded, pins=True)
    with cli_import.ledger_of(loaded) as ledger, file.open("rb") as lines:
        timed, started = Timed(ledger), time.perf_counter()
        whole, maker = time.process_time(), time.thread_time()
        done = run(read(lines, is_csv=False), opener, timed, lambda _: None, lambda _: None)
        seconds, cpu, maker = time.perf_counter() - started, time.process_time() - whole, time.thread_time() - maker
    assert done.taken == count
    making, writing, both = (each / count * 1e6 for each in (maker, timed.cpu, cpu))
    used = f"making {making:.1f}, writing {writing:.1f}, process {both:.1f}"
    return f"{count / seconds:.0f} a second; µs of CPU an account: {used}"


if __name__ == "__main__":
    main()
