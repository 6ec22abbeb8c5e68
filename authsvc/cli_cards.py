"""`authsvc account …` and `authsvc card …`: what an operator asks a running engine, through its control API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from authsvc.api_client import ApiClient
from authsvc.rules.explain import money

MONEY = frozenset(
    {"balance", "held", "available", "credit_limit", "amount", "cash", "cashless", "internet", "since_sca", "sum"}
)


def _connected(group: click.Group) -> click.Group:
    """The options that say which engine, for a group; its commands find the client in the context."""
    group.params += [
        click.Option(["--url"], default="http://127.0.0.1:8580", show_default=True, envvar="AUTHSVC_URL"),
        click.Option(["--token"], default="demo-operator", envvar="AUTHSVC_TOKEN", help="Bearer token."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print the answer as JSON."),
    ]
    return group


class Asking:
    """A client and how to show what it answers."""

    def __init__(self, url: str, token: str, as_json: bool) -> None:
        self.client = ApiClient(url, token)
        self._as_json = as_json

    def show(self, answer: Any) -> None:
        console = Console()
        if answer is None:
            console.print("done")
        elif self._as_json:
            console.print_json(data=answer)
        else:
            console.print(_table(answer))

    def show_or(self, answer: Any, show: Callable[[], None]) -> None:
        """As JSON when that is asked for, else as `show` shows it."""
        if self._as_json:
            Console().print_json(data=answer)
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


@_connected
@click.group()
@click.pass_context
def account(context: click.Context, url: str, token: str, as_json: bool) -> None:
    """Open accounts, load them, look at them."""
    context.obj = Asking(url, token, as_json)


@account.command("open")
@click.argument("product")
@click.option("--credit-limit", type=click.IntRange(min=0), help="Grosze; credit products.")
@click.option("--holder", default=None)
@click.pass_obj
def account_open(asking: Asking, product: str, credit_limit: int | None, holder: str | None) -> None:
    """Open an account of PRODUCT."""
    body: dict[str, object] = {"product": product, "credit_limit": credit_limit, "holder": holder}
    asking.show(asking.client.call("POST", "/v1/accounts", {k: v for k, v in body.items() if v is not None}))


@account.command("show")
@click.argument("account_id", metavar="ACCOUNT")
@click.pass_obj
def account_show(asking: Asking, account_id: str) -> None:
    """Balance, holds and cards of ACCOUNT."""
    asking.show(asking.client.call("GET", f"/v1/accounts/{account_id}"))


@account.command("load")
@click.argument("account_id", metavar="ACCOUNT")
@click.argument("amount", type=click.IntRange(min=1))
@click.option("--reference", default="cli")
@click.pass_obj
def account_load(asking: Asking, account_id: str, amount: int, reference: str) -> None:
    """Top ACCOUNT up by AMOUNT grosze, or repay a credit card."""
    body: dict[str, object] = {"amount": amount, "reference": reference}
    asking.show(asking.client.call("POST", f"/v1/accounts/{account_id}/loads", body))


@_connected
@click.group()
@click.pass_context
def card(context: click.Context, url: str, token: str, as_json: bool) -> None:
    """Issue cards, look at them, block and unblock them, set limits."""
    context.obj = Asking(url, token, as_json)


@card.command("issue")
@click.argument("account_id", metavar="ACCOUNT")
@click.option("--pin", prompt=True, hide_input=True, help="Four digits; asked for when not given.")
@click.option("--pan", default=None, help="Generated in the product's BIN when not given.")
@click.option("--expiry", default=None, help="YYMM.")
@click.pass_obj
def card_issue(asking: Asking, account_id: str, pin: str, pan: str | None, expiry: str | None) -> None:
    """Issue a card on ACCOUNT."""
    body: dict[str, object] = {"pin": pin, "pan": pan, "expiry": expiry}
    path = f"/v1/accounts/{account_id}/cards"
    asking.show(asking.client.call("POST", path, {k: v for k, v in body.items() if v is not None}))


@card.command("show")
@click.argument("card_id", metavar="CARD")
@click.pass_obj
def card_show(asking: Asking, card_id: str) -> None:
    """Status, limits, what is used and left today."""
    asking.show(asking.client.call("GET", f"/v1/cards/{card_id}"))


@card.command("block")
@click.argument("card_id", metavar="CARD")
@click.option(
    "--kind", type=click.Choice(["temporary", "permanent", "lost", "stolen"]), default="temporary", show_default=True
)
@click.option("--by", type=click.Choice(["holder", "user", "bank"]), default="bank", show_default=True)
@click.pass_obj
def card_block(asking: Asking, card_id: str, kind: str, by: str) -> None:
    """Block CARD. Only a temporary block can be lifted again."""
    asking.show(asking.client.call("POST", f"/v1/cards/{card_id}/block", {"kind": kind, "by": by}))


@card.command("limits")
@click.argument("card_id", metavar="CARD")
@click.option("--cash", type=click.IntRange(min=0))
@click.option("--cashless", type=click.IntRange(min=0))
@click.option("--internet", type=click.IntRange(min=0))
@click.pass_obj
def card_limits(asking: Asking, card_id: str, cash: int | None, cashless: int | None, internet: int | None) -> None:
    """Set day limits of CARD in grosze; zero switches a kind of transaction off."""
    limits = {"cash": cash, "cashless": cashless, "internet": internet}
    body: dict[str, object] = {name: value for name, value in limits.items() if value is not None}
    asking.show(asking.client.call("PUT", f"/v1/cards/{card_id}/limits", body))


def _simple(name: str, path: str, help_text: str) -> None:
    @card.command(name, help=help_text)
    @click.argument("card_id", metavar="CARD")
    @click.pass_obj
    def command(asking: Asking, card_id: str) -> None:
        asking.show(asking.client.call("POST", f"/v1/cards/{card_id}/{path}"))


_simple("activate", "activate", "Activate CARD.")
_simple("unblock", "unblock", "Lift a temporary block of CARD.")
_simple("unblock-pin", "unblock-pin", "End a PIN block of CARD: the hotline's right.")
