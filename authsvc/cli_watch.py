"""`authsvc audit | decisions | links`: what happened and who is connected, asked of a running engine."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click
from rich.table import Table

from authsvc.cli_options import Asking, Moment, connected, console
from authsvc.metrics import UNDECIDED
from authsvc.model import Reason
from authsvc.rules.explain import money

FOLLOW_SECONDS = 1.0
FACTS_SHOWN = 5
"""Of what an order changed; a card that is issued has some forty."""


@connected
@click.command()
@click.option(
    "--since", type=Moment(), default="1d", show_default=True, help="Time, or how long ago: 90s, 15m, 2h, 7d."
)
@click.option("--who", default="", help="Id of a token (anna.1), or a name (anna) for all that anna has had.")
def audit(since: datetime, who: str, url: str, token: str, ca: str, as_json: bool) -> None:
    """Who ordered what through the control API, and what it changed; oldest first. The first facts of each, all with --json."""
    asking = Asking(url, token, ca, as_json)
    entries = list(_pages(asking, "/v1/audit", "entries", since=since.isoformat(), who=who))
    asking.show_or(entries, lambda: console().print(_trail(entries)))


@connected
@click.command()
@click.option(
    "--since", type=Moment(), default="15m", show_default=True, help="Time, or how long ago: 90s, 15m, 2h, 7d."
)
@click.option("--reason", type=click.Choice([reason.value for reason in Reason]), help="Only refusals for this reason.")
@click.option("--follow", is_flag=True, help="Go on with what is decided from now on; Ctrl-C ends it.")
def decisions(since: datetime, reason: str | None, follow: bool, url: str, token: str, ca: str, as_json: bool) -> None:
    """Decisions of all accounts, oldest first, a line each: time, kind, outcome or reason, amount, RRN, acquirer (DE32),
    terminal (DE41), decision, paragraph. With --json an object a line."""
    client = Asking(url, token, ca, as_json).client
    query = {"since": since.isoformat(), **({"reason": reason} if reason else {})}
    after: dict[str, str | int] = {}
    while True:
        page = client.call("GET", "/v1/decisions/recent", None, **query, **after, limit=1000)
        for decision in page["decisions"]:
            click.echo(json.dumps(decision) if as_json else _line(decision))
        after = {"after": page["next"]}
        if not page["more"]:
            if not follow:
                if reason in UNDECIDED:
                    click.echo(
                        f"most of {reason} is answered without a decision: the log and `authsvc links` tell", err=True
                    )
                return
            sys.stdout.flush()
            time.sleep(FOLLOW_SECONDS)


def _line(decision: dict[str, Any]) -> str:
    origin = decision["request"].get("origin", {})
    result = decision["reason"] or decision["outcome"]
    amount = money(decision["amount"]) if decision["amount"] else ""
    came_from = f"{origin.get('acquirer', ''):<11}  {origin.get('terminal', ''):<8}"
    return (
        f"{decision['at']}  {decision['kind']:<16} {result:<22} {amount:>12}  {origin.get('rrn', ''):<12}  "
        f"{came_from}  {decision['decision']}  {decision['paragraph'] or ''}"
    ).rstrip()


@connected
@click.command()
def links(url: str, token: str, ca: str, as_json: bool) -> None:
    """The links that are open now; refused: answered without a decision (DE39 30, 91, 96). Each worker knows its own: ask the
    port of each."""
    asking = Asking(url, token, ca, as_json)
    found = asking.client.call("GET", "/v1/links")
    asking.show_or(found, lambda: console().print(_links(found)))


def _links(found: list[dict[str, Any]]) -> Table:
    table = Table(
        "listener", "peer", "signed on", "in flight", "answered", "refused", "open s", "silent s", "paused",
        box=None, pad_edge=False,
    )  # fmt: skip
    for link in found:
        table.add_row(
            link["listener"], link["peer"], "yes" if link["signed_on"] else "no",
            str(link["in_flight"]), str(link["answered"]), str(link["refused"]),
            f"{link['open_seconds']:.0f}", f"{link['silent_seconds']:.1f}", ", ".join(link["paused"]),
        )  # fmt: skip
    return table


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
        facts = [f"{name}: {_fact(before[name])} → {_fact(after[name])}" for name in before]
        more = [f"and {len(facts) - FACTS_SHOWN} more"] if len(facts) > FACTS_SHOWN else []
        changed = "\n".join([*facts[:FACTS_SHOWN], *more])
        outcome = entry["reason"] or entry["outcome"]
        table.add_row(entry["at"], entry["token"], entry["role"], entry["kind"], outcome, changed, entry["decision"])
    return table


def _fact(fact: Any) -> str:
    return "-" if fact is None or fact == "" else str(fact)
