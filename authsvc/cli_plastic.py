"""The rarer orders on cards and accounts (`authsvc card renew`, `account transfer` …), through the control API."""

from __future__ import annotations

from urllib.parse import quote

import click

from authsvc.cli_cards import account, card
from authsvc.cli_options import Asking
from authsvc.model import AccountStatus, DuplicateCause

CARD = click.argument("card_id", metavar="CARD")
ACCOUNT = click.argument("account_id", metavar="ACCOUNT")
EXPIRY = click.option("--expiry", default=None, help="YYMM; the regulation's when not given.")


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


@card.command("renew")
@CARD
@EXPIRY
@click.pass_obj
def card_renew(asking: Asking, card_id: str, expiry: str | None) -> None:
    """The same number and PIN on a new plastic."""
    asking.show(asking.client.call("POST", f"/v1/cards/{card_id}/renew", _given(expiry=expiry)))


@card.command("replace")
@CARD
@click.option("--pin", prompt=True, hide_input=True, help="Of the new card; asked for when not given.")
@EXPIRY
@click.pass_obj
def card_replace(asking: Asking, card_id: str, pin: str, expiry: str | None) -> None:
    """A card with another number in the place of CARD."""
    asking.show(asking.client.call("POST", f"/v1/cards/{card_id}/replace", _given(pin=pin, expiry=expiry)))


@card.command("duplicate")
@CARD
@click.option(
    "--cause", type=click.Choice([cause.value for cause in DuplicateCause]), default="damaged", show_default=True
)
@EXPIRY
@click.pass_obj
def card_duplicate(asking: Asking, card_id: str, cause: str, expiry: str | None) -> None:
    """Another plastic with the same number, for one that is damaged."""
    asking.show(asking.client.call("POST", f"/v1/cards/{card_id}/duplicate", _given(cause=cause, expiry=expiry)))


@card.command("pin")
@CARD
@click.option(
    "--pin", prompt=True, hide_input=True, confirmation_prompt=True, help="Four digits; asked for when not given."
)
@click.pass_obj
def card_pin(asking: Asking, card_id: str, pin: str) -> None:
    """Set a new PIN."""
    asking.show(asking.client.call("PUT", f"/v1/cards/{card_id}/pin", {"pin": pin}))


@card.command("contactless")
@CARD
@click.argument("state", type=click.Choice(["on", "off"]))
@click.pass_obj
def card_contactless(asking: Asking, card_id: str, state: str) -> None:
    """Switch contactless payments of CARD on or off."""
    asking.show(asking.client.call("PUT", f"/v1/cards/{card_id}/contactless", {"enabled": state == "on"}))


@card.command("three-ds")
@CARD
@click.argument("outcome", type=click.Choice(["succeeded", "failed"]))
@click.option("--amount", type=click.IntRange(min=0), required=True, help="Minor units.")
@click.option("--currency", default="PLN", show_default=True)
@click.option("--merchant", required=True, help="DE42.")
@click.pass_obj
def card_three_ds(asking: Asking, card_id: str, outcome: str, amount: int, currency: str, merchant: str) -> None:
    """Record what an authentication at the access control server came to."""
    body: dict[str, object] = {"amount": amount, "currency": currency, "merchant_id": merchant, "outcome": outcome}
    asking.show(asking.client.call("POST", f"/v1/cards/{card_id}/three-ds", body))


@card.command("unlock-3ds")
@CARD
@click.pass_obj
def card_unlock_3ds(asking: Asking, card_id: str) -> None:
    """End the lock of 3-D Secure: hotline's or branch's right."""
    asking.show(asking.client.call("POST", f"/v1/cards/{card_id}/unlock-3ds"))


@card.command("trust")
@CARD
@click.argument("merchant")
@click.option("--not", "not_any_more", is_flag=True, help="Take MERCHANT off the list.")
@click.pass_obj
def card_trust(asking: Asking, card_id: str, merchant: str, not_any_more: bool) -> None:
    """MERCHANT (DE42) joins the merchants that the holder trusts."""
    method = "DELETE" if not_any_more else "PUT"
    path = f"/v1/cards/{card_id}/trusted-merchants/{quote(merchant, safe='')}"
    asking.show(asking.client.call(method, path))


@account.command("transfer")
@ACCOUNT
@click.argument("card_id", metavar="CARD")
@click.argument("amount", type=click.IntRange(min=1))
@click.argument("iban")
@click.option("--reference", required=True)
@click.pass_obj
def account_transfer(asking: Asking, account_id: str, card_id: str, amount: int, iban: str, reference: str) -> None:
    """Money out of ACCOUNT: AMOUNT grosze to IBAN, counted on CARD."""
    body: dict[str, object] = {"card": card_id, "amount": amount, "iban": iban, "reference": reference}
    asking.show(asking.client.call("POST", f"/v1/accounts/{account_id}/transfers", body))


@account.command("status")
@ACCOUNT
@click.argument("status", type=click.Choice([status.value for status in AccountStatus]))
@click.pass_obj
def account_status(asking: Asking, account_id: str, status: str) -> None:
    """The agreement of ACCOUNT has ended, its holder has died or lost legal capacity, or got it back."""
    asking.show(asking.client.call("POST", f"/v1/accounts/{account_id}/status", {"status": status}))
