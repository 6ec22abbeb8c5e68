"""`authsvc account import`: accounts in bulk, into the ledger itself."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click
import uvloop
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from authsvc import config, engine
from authsvc.cli_cards import account
from authsvc.cli_options import as_json_option, settings
from authsvc.clock import Clock, SimulatedClock, SystemClock
from authsvc.importing import Imported, Importer, Problem
from authsvc.ledger.postgres import PostgresLedger
from authsvc.ledger.sqlite import SqliteLedger, for_bulk
from authsvc.security.hsm import SoftHsm
from authsvc.security.mint import Mint
from authsvc.security.vault import Vault

SHOWN = 20
"""Problems that are printed; all are counted."""


@account.command("import")
@click.argument("lines", type=click.File("rb"), metavar="FILE")
@click.option("--pins", is_flag=True, help="Take PINs in clear: of test sets alone.")
@as_json_option
@settings
def import_accounts(lines: BinaryIO, pins: bool, file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Take over the accounts of FILE (JSON Lines, one account with its card each; - is stdin).

    Into the embedded ledger only while its engine is stopped; into PostgreSQL at any time. Given again, it goes on where it
    was interrupted. Exit 1: some lines were not taken.
    """
    loaded = config.load(file, overrides)
    started = time.perf_counter()
    done = uvloop.run(_import(loaded, lines, pins))
    seconds = time.perf_counter() - started
    if as_json:
        counts = {"taken": done.taken, "there": done.there, "refused": done.problems}
        click.echo(json.dumps({**counts, "seconds": round(seconds, 3)}))
    else:
        click.echo(
            f"{done.taken} accounts taken, {done.there} were there, {done.problems} lines refused; "
            f"{seconds:.1f} s, {done.lines / seconds:.0f} a second"
        )
    if done.problems:
        sys.exit(1)


async def _import(loaded: config.Config, lines: BinaryIO, pins: bool) -> Imported:
    """Raises ConfigError, LedgerDownError."""
    products, keys = engine.products_of(loaded), engine.keys_of(loaded)
    clock: Clock = SimulatedClock(loaded.data_dir / "clock") if loaded.clock == "simulated" else SystemClock()
    embedded = loaded.ledger.url == config.EMBEDDED
    ledger = (
        SqliteLedger(loaded.data_dir / engine.LEDGER_FILE, start_writer=for_bulk)
        if embedded
        else PostgresLedger(loaded.ledger.url, partitions=loaded.ledger.partitions)
    )
    await ledger.open()
    try:
        mint = Mint(keys, SoftHsm(keys), Vault(keys, ledger.vault_by_hash, ledger.vault_by_card))
        with _shown() as (told, progress):
            return await Importer(ledger, products, mint, clock, pins=pins).run(lines, told, progress)
    finally:
        await ledger.close()


@contextmanager
def _shown() -> Iterator[tuple[_Problems, _Counted]]:
    """A count on a terminal, and the first problems wherever stderr goes."""
    console = Console(stderr=True)
    columns = TextColumn("{task.completed:>10,} accounts"), TextColumn("{task.fields[rate]}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield _Problems(console), _Counted(bar)


class _Problems:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen = 0

    def __call__(self, problem: Problem) -> None:
        self._seen += 1
        if self._seen <= SHOWN:
            self._console.print(f"line {problem.line}: {problem.why}", markup=False, highlight=False, soft_wrap=True)
        elif self._seen == SHOWN + 1:
            self._console.print("more lines were refused; they are counted, not shown")


class _Counted:
    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None, rate="")
        self._started = time.perf_counter()

    def __call__(self, done: Imported) -> None:
        rate = done.lines / max(time.perf_counter() - self._started, 1e-9)
        self._bar.update(self._task, completed=done.lines, rate=f"{rate:,.0f} a second")
