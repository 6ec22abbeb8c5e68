"""`authsvc account import`: many accounts and cards into the ledger at once.

It writes what opening them one by one would have written, through the rules, without the engine. The embedded ledger has one
writer, so the engine must be stopped; on PostgreSQL it may run.
"""

from __future__ import annotations

import csv
import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import click
import msgspec

from authsvc import config, engine
from authsvc.clock import SimulatedClock, SystemClock
from authsvc.importing.accounts import NewAccount, Template, generated, read
from authsvc.importing.run import Import, MadeCard, Maker, Progress, packed
from authsvc.ledger.bulk import BulkLedger
from authsvc.ledger.postgres_bulk import PostgresBulk
from authsvc.ledger.sqlite_bulk import SqliteBulk
from authsvc.security.hsm import SoftHsm
from authsvc.security.keys import load_keys
from authsvc.security.mint import Mint
from authsvc.security.vault import Vault

PROGRESS_SECONDS = 1.0
_FILE = click.Path(dir_okay=False, path_type=Path)
_AMOUNT = click.IntRange(min=0)


@click.argument("source", required=False, type=_FILE, metavar="[FILE]")
@click.option(
    "--generate", type=click.IntRange(1), metavar="N", help="Make N accounts with a card each, instead of a file."
)
@click.option("--product", default="credit-business", show_default=True, help="Of generated ones.")
@click.option("--pin", default="1234", show_default=True, help="Of generated ones: test data, all the same.")
@click.option("--expiry", default="", metavar="YYMM", help="Of generated ones; the product's term from now.")
@click.option("--load", default=0, type=_AMOUNT, help="Grosze paid in, of generated ones.")
@click.option("--credit-limit", type=_AMOUNT, help="Grosze, of generated ones.")
@click.option("--cash", type=_AMOUNT, help="Day limit in grosze, of generated ones; so the next two.")
@click.option("--cashless", type=_AMOUNT)
@click.option("--internet", type=_AMOUNT)
@click.option(
    "--name", default="", help="Of the set: the same name and keys are the same accounts. The file's name if not given."
)
@click.option("--cards-out", type=_FILE, help="Write pan,expiry,pin,account,card of every card, readable by you alone.")
def import_accounts(
    file: Path, overrides: tuple[str, ...], source: Path | None, generate: int | None, name: str, cards_out: Path | None,
    **like: object,
) -> None:  # fmt: skip
    """Open the accounts and issue the cards of FILE (CSV with a header, or a JSON object a line), or generated ones.

    Columns: key, product, credit_limit, load, holder; of each card pin, pan, expiry, individual_limit, cash, cashless,
    internet, active. What is there already, by set and key, is left alone: an import that was stopped is simply begun again.
    """
    if (source is None) == (generate is None):
        raise click.UsageError("either FILE or --generate N")
    loaded = config.load(file, overrides)
    accounts = read(source) if source is not None else generated(_template(like), generate or 0)
    ledger = _ledger(loaded)
    try:
        begin = (file, overrides, name or (source.name if source else "generated"))
        _maker(loaded, begin[2])  # what is wrong with the settings is told here, in one line
        with (
            _cards_to(cards_out) as on_card,
            ProcessPoolExecutor(1, get_context("spawn"), _begin_making, begin) as pool,
        ):
            _run(Import(ledger, pool, _make, on_card), accounts)
    finally:
        ledger.close()


def _template(like: dict[str, object]) -> Template:
    return msgspec.convert(like, Template)  # click has checked each of them


def _ledger(loaded: config.Config) -> BulkLedger:
    if loaded.ledger.url == config.EMBEDDED:
        return SqliteBulk(loaded.data_dir / engine.LEDGER_FILE)
    return PostgresBulk(loaded.ledger.url, loaded.ledger.partitions)


def _maker(loaded: config.Config, name: str) -> Maker:
    keys = load_keys(loaded.key_file)
    mint = Mint(keys, SoftHsm(keys), Vault(keys, _nothing, _nothing))
    clock = SimulatedClock(loaded.data_dir / "clock") if loaded.clock == "simulated" else SystemClock()
    return Maker(engine.products_of(loaded), mint, clock(), name)


async def _nothing(_: object) -> None:
    """Nothing is looked up in the vault here."""


_makers: list[Maker] = []
"""Of the process that makes: one, from its begin on."""


def _begin_making(file: Path, overrides: tuple[str, ...], name: str) -> None:
    gc.disable()  # a chunk is tens of thousands of tuples and no cycle: to look at them again and again costs a tenth
    _makers.append(_maker(config.load(file, overrides), name))


def _make(accounts: bytes, before: int) -> bytes:
    return packed(_makers[0], accounts, before)


def _run(importing: Import, accounts: Iterable[NewAccount]) -> None:
    gc.disable()
    started = told = time.monotonic()
    done = Progress()
    for done in importing.run(accounts):
        if time.monotonic() - told >= PROGRESS_SECONDS:
            told = time.monotonic()
            click.echo(f"{sum(done)} accounts, {sum(done) / (told - started):.0f} a second", err=True)
    seconds = max(time.monotonic() - started, 0.001)
    click.echo(
        f"{sum(done)} accounts: {done.written} written, {done.found} were there; {done.written / seconds:.0f} a second"
    )


@contextmanager
def _cards_to(path: Path | None) -> Iterator[Callable[[MadeCard], None] | None]:
    """What writes a card's line. The file holds PANs and PINs: nobody else may read it."""
    if path is None:
        yield None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        raise click.UsageError(f"--cards-out: {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(MadeCard._fields)
        yield rows.writerow
