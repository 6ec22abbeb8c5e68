"""`authsvc reload` and `authsvc log`: what a running engine does, changed without a restart, through its control API."""

from __future__ import annotations

import click

from authsvc.cli_options import Asking, connected


@connected
@click.command()
def reload(url: str, token: str, ca: str, as_json: bool) -> None:
    """Read products, response codes, rates and chart anew, all or none; and certificates. Exit 1 says what is wrong; that
    has not changed then."""
    asking = Asking(url, token, ca, as_json)
    asking.show(asking.client.call("POST", "/v1/reload"))


@connected
@click.command()
@click.option("--level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--one-in", type=click.IntRange(min=0, max=1_000_000), help="A line for one message in so many; 0: none.")
def log(level: str | None, one_in: int | None, url: str, token: str, ca: str, as_json: bool) -> None:
    """Show or change, until the next start, what a worker logs. Each worker has its own: name the port of each with --url."""
    asking = Asking(url, token, ca, as_json)
    body = {name: value for name, value in (("level", level), ("messages_one_in", one_in)) if value is not None}
    asking.show(asking.client.call("PUT", "/v1/log", body) if body else asking.client.call("GET", "/v1/log"))
