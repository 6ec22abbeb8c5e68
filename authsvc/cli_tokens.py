"""`authsvc token new | list | revoke`: who may call the control API. A running engine sees a change of the file at once."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import click
from rich.table import Table

from authsvc import config
from authsvc.cli_options import as_json_option, console, settings
from authsvc.control import token_file
from authsvc.model import UnixMs

DAY_MS = 86_400_000


@click.group()
def token() -> None:
    """Make, list and end bearer tokens of the control API (setting control.token_file)."""


@token.command("new")
@click.argument("name")
@click.option("--role", type=click.Choice(get_args(config.Role)), required=True)
@click.option(
    "--days", type=click.IntRange(min=1, max=3650), default=90, show_default=True, help="How long it is good."
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@settings
def token_new(file: Path, overrides: tuple[str, ...], name: str, role: config.Role, days: int, as_json: bool) -> None:
    """Make a token for NAME, beside those NAME has: to rotate one, make the next, then revoke the old. Shown only now."""
    if not token_file.is_name(name):
        raise click.UsageError("NAME: a letter, then at most 39 letters, digits, - and _")
    now = _now()
    kept, text = token_file.new(_file(file, overrides), name, role, now, UnixMs(now + days * DAY_MS))
    if as_json:
        console().print_json(data={"token": kept.id, "role": role, "expires": _time(kept.expires), "text": text})
    else:
        click.echo(
            f"{kept.id}, {role}, good until {_time(kept.expires)}; keep it now, it is shown only once:", err=True
        )
        click.echo(text)


@token.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@settings
def token_list(file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """All tokens of the file, those that have ended too."""
    now = _now()
    rows = [
        {
            "token": kept.id, "role": kept.role, "good": kept.is_good(now), "created": _time(kept.created),
            "expires": _time(kept.expires) if kept.expires else "never",
        }
        for kept in token_file.read(_file(file, overrides))
    ]  # fmt: skip
    if as_json:
        console().print_json(data=rows)
        return
    table = Table("token", "role", "good", "created", "expires", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("yes" if value is True else "no" if value is False else str(value) for value in row.values()))
    console().print(table)


@token.command("revoke")
@click.argument("token_id", metavar="TOKEN")
@click.option(
    "--in", "seconds", type=click.IntRange(min=0), default=0, show_default=True, help="Seconds it is still good."
)
@as_json_option
@settings
def token_revoke(file: Path, overrides: tuple[str, ...], token_id: str, seconds: int, as_json: bool) -> None:
    """End TOKEN (as anna.1), at once or in a while."""
    end = UnixMs(_now() + seconds * 1000)
    if not token_file.revoke(_file(file, overrides), token_id, end):
        raise click.ClickException(f"no token {token_id}; see authsvc token list")
    if as_json:
        console().print_json(data={"token": token_id, "expires": _time(end)})
    else:
        click.echo("done")


def _file(file: Path, overrides: tuple[str, ...]) -> Path:
    path = config.load(file, overrides).control.token_file
    if not path:
        raise click.UsageError("control.token_file: the settings name none")
    return Path(path)


def _now() -> UnixMs:
    return UnixMs(time.time_ns() // 1_000_000)


def _time(at: UnixMs) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")
