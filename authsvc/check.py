"""Everything a start would find wrong with settings and files, all of it at once, with nothing opened, made or listened on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from authsvc.clock import SimulatedClock
from authsvc.config import EMBEDDED, Config
from authsvc.control import token_file
from authsvc.control_server import check_tls
from authsvc.engine import DEMO_CARDS, LEDGER_FILE
from authsvc.errors import ConfigError
from authsvc.ledger.sqlite_reader import open_reader
from authsvc.seed import load_demo_cards
from authsvc.settings_files import check_listeners, keys_of, products_of


def problems(config: Config) -> Iterator[str]:
    """Each thing that would stop the start, naming its key or file; none: it would start, unless a port is taken, or
    PostgreSQL does not answer."""
    checks: tuple[Callable[[], object], ...] = (
        lambda: check_listeners(config),
        lambda: _check_products(config),
        lambda: keys_of(config),
        lambda: check_tls(config.control.tls),
        lambda: _check_tokens(config.control.token_file),
        lambda: _check_folder(config.data_dir),
        lambda: _check_clock(config),
        lambda: _check_ledger(config),
    )
    for check in checks:
        try:
            check()
        except ConfigError as error:
            yield str(error)


def _check_products(config: Config) -> None:
    products = products_of(config)
    if config.seed_demo:
        load_demo_cards(DEMO_CARDS, products)


def _check_tokens(path: str) -> None:
    if path:
        token_file.read(Path(path))


def _check_folder(folder: Path) -> None:
    """It exists and may be written, or the nearest folder above it may be."""
    nearest = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not nearest.is_dir():
        raise ConfigError(f"data_dir: {nearest}: is no folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(f"data_dir: {nearest}: may not be written")


def _check_clock(config: Config) -> None:
    path = config.data_dir / "clock"
    if config.clock == "simulated" and path.exists():
        SimulatedClock(path)


def _check_ledger(config: Config) -> None:
    path = config.data_dir / LEDGER_FILE
    if config.ledger.url == EMBEDDED and path.exists() and path.stat().st_size:
        open_reader(path).close()
