"""What commands share: which engine they mean, how they ask it, how they show what it answers, how a time is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from authsvc.api_client import ApiClient
from authsvc.rules.explain import money

F = TypeVar("F", bound=Callable[..., object])
MONEY = frozenset(
    {"balance", "held", "available", "credit_limit", "amount", "cash", "cashless", "internet", "since_sca", "sum"}
)
PIPE_WIDTH = 500
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGO = re.compile(r"([0-9]{1,6})([smhd])\Z")


def settings(command: F) -> F:
    """The options that say which engine: its settings file and what to put over it."""
    path = click.Path(dir_okay=False, path_type=Path)
    command = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting.")(
        command
    )
    option = click.option("--config", "file", type=path, default=Path("config/demo.toml"), show_default=True)
    return option(command)


CONNECTION: tuple[Callable[[], click.Option], ...] = (
    lambda: click.Option(["--url"], default="http://127.0.0.1:8580", show_default=True, envvar="AUTHSVC_URL"),
    lambda: click.Option(["--token"], default="demo-operator", envvar="AUTHSVC_TOKEN", help="Bearer token."),
    lambda: click.Option(
        ["--ca"], default="", envvar="AUTHSVC_CA", help="PEM file of who signed the engine's certificate."
    ),
    lambda: click.Option(["--json", "as_json"], is_flag=True, help="Print the answer as JSON."),
)


def as_json_option(command: F) -> F:
    """`--json`, for a command that asks no running engine."""
    return click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")(command)


def connected(command: F) -> F:
    """The options that say which running engine, for a group or a command."""
    assert isinstance(command, click.Command)
    command.params += [option() for option in CONNECTION]
    return command


class Moment(click.ParamType[datetime]):
    """RFC 3339 with an offset, or how long ago: 90s, 15m, 2h, 7d."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        ago = _AGO.match(value)
        if ago is not None:
            return datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time, as 2026-06-15T12:00:00Z or 15m", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no offset from UTC, as Z or +02:00", param, ctx)
        return moment


def console() -> Console:
    """Where answers go; into a file or a pipe nothing is cut off to the width of a screen."""
    found = Console()
    return found if found.is_terminal else Console(width=PIPE_WIDTH)


class AskingGroup(click.Group):
    """Its commands take `--json` too, where a person types it: behind everything else."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        if not any("--json" in parameter.opts for parameter in cmd.params):
            cmd.params.append(
                click.Option(
                    ["--json"], is_flag=True, expose_value=False, callback=_answer_as_json, help="Print it as JSON."
                )
            )
        super().add_command(cmd, name)


def _answer_as_json(context: click.Context, _parameter: click.Parameter, is_wanted: bool) -> None:
    asking = context.find_object(Asking)
    if is_wanted and asking is not None:
        asking.as_json = True


class Asking:
    """A client and how to show what it answers."""

    def __init__(self, url: str, token: str, ca: str, as_json: bool) -> None:
        self.client = ApiClient(url, token, ca)
        self.as_json = as_json

    def show(self, answer: Any) -> None:
        if answer is None:
            self.show_or({"done": True}, lambda: click.echo("done"))
        else:
            self.show_or(answer, lambda: console().print(_table(answer)))

    def show_or(self, answer: Any, show: Callable[[], None]) -> None:
        """As JSON when that is asked for, else as `show` shows it."""
        if self.as_json:
            console().print_json(data=answer)
        else:
            show()


def _table(answer: dict[str, Any]) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in answer.items():
        table.add_row(name, _text(name, value))
    return table


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name in MONEY:
        return money(value)
    if isinstance(value, dict):
        return ", ".join(f"{inner} {_text(inner, item)}" for inner, item in value.items())
    if isinstance(value, list):
        return "\n".join(_text(name, item) for item in value) or "-"
    return "-" if value is None or value == "" else str(value)
