"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

F = TypeVar("F", bound=Callable[..., object])


def settings(command: F) -> F:
    """The options that say which engine: its settings file and what to put over it."""
    path = click.Path(dir_okay=False, path_type=Path)
    command = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting.")(
        command
    )
    option = click.option("--config", "file", type=path, default=Path("config/demo.toml"), show_default=True)
    return option(command)
