"""`authsvc account import`: accounts in bulk, into the ledger itself."""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn

import click
import msgspec
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from authsvc import config
from authsvc.cli_cards import account
from authsvc.cli_options import as_json_option, settings
from authsvc.clock import Clock, SimulatedClock, SystemClock
from authsvc.engine import LEDGER_FILE
from authsvc.importing.opening import Opener
from authsvc.importing.reading import FieldError, Problem, read
from authsvc.importing.run import Imported, run
from authsvc.ledger.bulk import BulkLedger
from authsvc.ledger.postgres_bulk import PostgresBulk
from authsvc.ledger.sqlite_bulk import SqliteBulk
from authsvc.model import Actor
from authsvc.security.hsm import SoftHsm
from authsvc.security.mint import Mint
from authsvc.security.vault import Vault
from authsvc.settings_files import keys_of, products_of


@account.command("import")
@click.argument("lines", type=click.File("rb"), metavar="FILE")
@click.option("--csv", "is_csv", is_flag=True, help="A card a line; so is a FILE whose name ends in .csv.")
@click.option("--pins", is_flag=True, help="Take PINs in clear: of test sets alone.")
@as_json_option
@settings
def import_accounts(
    lines: BinaryIO, is_csv: bool, pins: bool, as_json: bool, file: Path, overrides: tuple[str, ...]
) -> None:
    """Take over the accounts of FILE: JSON Lines, an account with its cards each, or CSV; - is stdin (docs/operating.md).

    Into the embedded ledger only while its engine is stopped; into PostgreSQL at any time. Given again, it goes on where it
    was interrupted. Exit 1: some lines were not taken.
    """
    loaded = config.load(file, overrides)
    started = time.perf_counter()
    with _shown(as_json) as (told, progress):
        try:
            wanted = read(lines, is_csv=is_csv or lines.name.lower().endswith(".csv"))
            with ledger_of(loaded) as ledger:
                done = run(wanted, opener_of(loaded, pins=pins), ledger, told, progress)
        except FieldError as error:
            raise click.ClickException(f"line 1: {error}") from None
    _tell(done, time.perf_counter() - started, as_json)
    if done.refused:
        sys.exit(1)


def _tell(done: Imported, seconds: float, as_json: bool) -> None:
    if as_json:
        summary = {**msgspec.to_builtins(done), "seconds": round(seconds, 3)}
        click.echo(msgspec.json.encode(summary).decode())
        return
    click.echo(
        f"{done.taken} accounts taken with {done.cards} cards, {done.there} were there, {done.refused} refused; "
        f"{seconds:.1f} s, {done.accounts / seconds:.0f} a second"
    )


def opener_of(loaded: config.Config, *, pins: bool) -> Opener:
    """Raises ConfigError."""
    products, keys = products_of(loaded), keys_of(loaded)
    clock: Clock = SimulatedClock(loaded.data_dir / "clock") if loaded.clock == "simulated" else SystemClock()
    mint = Mint(keys, SoftHsm(keys), Vault(keys, _never, _never))
    return Opener(products, mint, clock, Actor(f"import.{getpass.getuser()}", "operator"), pins=pins)


async def _never(_: object) -> NoReturn:
    raise AssertionError("an import looks PANs up in the ledger itself, many at once")


@contextmanager
def ledger_of(loaded: config.Config) -> Iterator[BulkLedger]:
    """Raises ConfigError."""
    ledger: BulkLedger = (
        SqliteBulk(loaded.data_dir / LEDGER_FILE)
        if loaded.ledger.url == config.EMBEDDED
        else PostgresBulk(loaded.ledger.url, loaded.ledger.partitions)
    )
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def _shown(as_json: bool) -> Iterator[tuple[_Problems, _Counted]]:
    """A count on a terminal, and each problem: on stderr, or as JSON on stdout."""
    console = Console(stderr=True)
    columns = TextColumn("{task.completed:>10,} accounts"), TextColumn("{task.fields[rate]}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield _Problems(console, as_json), _Counted(bar)


class _Problems:
    def __init__(self, console: Console, as_json: bool) -> None:
        self._console = console
        self._as_json = as_json

    def __call__(self, problem: Problem) -> None:
        if self._as_json:
            click.echo(msgspec.json.encode(problem._asdict()).decode())
            return
        where = f"line {problem.line}: {problem.field}: " if problem.field else f"line {problem.line}: "
        self._console.print(where + problem.why, markup=False, highlight=False, soft_wrap=True)


class _Counted:
    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None, rate="")
        self._started = time.perf_counter()

    def __call__(self, done: Imported) -> None:
        rate = done.accounts / max(time.perf_counter() - self._started, 1e-9)
        self._bar.update(self._task, completed=done.accounts, rate=f"{rate:,.0f} a second")
