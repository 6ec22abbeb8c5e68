"""`authsvc audit`: what happened, asked of a running engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click
from rich.table import Table

from authsvc.cli_options import Asking, Moment, connected, console


@connected
@click.command()
@click.option(
    "--since", type=Moment(), default="1d", show_default=True, help="Time, or how long ago: 90s, 15m, 2h, 7d."
)
@click.option("--who", default="", help="Id of a token (anna.1), or a name (anna) for all that anna has had.")
def audit(since: datetime, who: str, url: str, token: str, ca: str, as_json: bool) -> None:
    """Who ordered what through the control API, and what it changed; oldest first."""
    asking = Asking(url, token, ca, as_json)
    entries = list(_pages(asking, "/v1/audit", "entries", since=since.isoformat(), who=who))
    asking.show_or(entries, lambda: console().print(_trail(entries)))


def _pages(asking: Asking, path: str, name: str, **query: str) -> Iterator[dict[str, Any]]:
    """Everything behind a call that answers page by page."""
    after = ""
    while True:
        page = asking.client.call("GET", path, None, **query, after=after, limit=1000)
        yield from page[name]
        after = page["next"]
        if not page["more"]:
            return


def _trail(entries: list[dict[str, Any]]) -> Table:
    table = Table("at", "who", "role", "order", "outcome", "changed", "decision", box=None, pad_edge=False)
    for entry in entries:
        before, after = entry["before"], entry["after"]
        changed = "\n".join(f"{name}: {_fact(before[name])} → {_fact(after[name])}" for name in before)
        outcome = entry["reason"] or entry["outcome"]
        table.add_row(entry["at"], entry["token"], entry["role"], entry["kind"], outcome, changed, entry["decision"])
    return table


def _fact(fact: Any) -> str:
    return "-" if fact is None or fact == "" else str(fact)
