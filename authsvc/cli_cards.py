"""`authsvc account …` and `authsvc card …`: what an operator asks a running engine, through its control API."""

from __future__ import annotations

import click

from authsvc.cli_options import Asking, AskingGroup, connected


@connected
@click.group(cls=AskingGroup)
@click.pass_context
def account(context: click.Context, url: str, token: str, ca: str, as_json: bool) -> None:
    """Open accounts, load them, look at them."""
    context.obj = Asking(url, token, ca, as_json)


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


@connected
@click.group(cls=AskingGroup)
@click.pass_context
def card(context: click.Context, url: str, token: str, ca: str, as_json: bool) -> None:
    """Issue cards, look at them, block and unblock them, set limits."""
    context.obj = Asking(url, token, ca, as_json)


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
