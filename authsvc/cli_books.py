"""`authsvc account charge | statement | billing | trial-balance`: the books, through the control API."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table

from authsvc.cli_cards import account
from authsvc.cli_options import Asking, console
from authsvc.rules.explain import money

CHARGES = ("fee", "commission", "interest", "overdue_interest", "reminder_cost", "court_cost", "write_off")
LINES = ("at", "kind", "amount", "balance", "transaction_amount", "currency", "rate", "rrn", "reference")


@account.command("charge")
@click.argument("account_id", metavar="ACCOUNT")
@click.argument("kind", type=click.Choice(CHARGES))
@click.argument("amount", type=click.IntRange(min=1))
@click.option("--reference", required=True)
@click.option("--card", default="", help="Whose share it is, on an account with several cards.")
@click.pass_obj
def account_charge(asking: Asking, account_id: str, kind: str, amount: int, reference: str, card: str) -> None:
    """Charge ACCOUNT with AMOUNT grosze, or give up that much of its debt."""
    body: dict[str, object] = {"kind": kind, "amount": amount, "reference": reference, "card": card}
    asking.show(asking.client.call("POST", f"/v1/accounts/{account_id}/charges", body))


@account.command("statement")
@click.argument("account_id", metavar="ACCOUNT")
@click.option("--since", default="", help="RFC 3339; 30 days ago when not given.")
@click.option("--until", default="", help="RFC 3339; now when not given.")
@click.option("--csv", "as_csv", is_flag=True, help="The postings as CSV.")
@click.pass_obj
def account_statement(asking: Asking, account_id: str, since: str, until: str, as_csv: bool) -> None:
    """Opening balance, every posting of ACCOUNT, closing balance."""
    query = {name: value for name, value in (("since", since), ("until", until)) if value}
    path = f"/v1/accounts/{account_id}/statement"
    if as_csv:
        click.echo(asking.client.text("GET", path, **query, format="csv"), nl=False)
        return
    made = asking.client.call("GET", path, None, **query)
    asking.show_or(
        made, lambda: _print_lines(made, f"opening {money(made['opening'])}", f"closing {money(made['closing'])}")
    )


@account.command("billing")
@click.argument("account_id", metavar="ACCOUNT")
@click.option("--month", required=True, help="YYYY-MM that the period ends in.")
@click.pass_obj
def account_billing(asking: Asking, account_id: str, month: str) -> None:
    """A billing period of a credit card ACCOUNT: the 8th to the 7th."""
    made = asking.client.call("GET", f"/v1/accounts/{account_id}/billing", month=month)
    head = f"{made['period_first']} to {made['period_last']}, closed {made['closes']}; debt before {money(made['debt_before'])}"
    foot = f"debt {money(made['debt'])}, repaid {money(made['repaid'])}, available now {money(made['available'])}"
    asking.show_or(made, lambda: _print_lines(made, head, foot))


@account.command("trial-balance")
@click.option("--until", default="", help="RFC 3339; all there is when not given.")
@click.pass_obj
def account_trial_balance(asking: Asking, until: str) -> None:
    """What each account of the general ledger holds: debits above zero, credits below. Exit 1 when it is not in balance."""
    made = asking.client.call("GET", "/v1/trial-balance", None, **({"until": until} if until else {}))
    asking.show_or(made, lambda: _print_balance(made))
    if made["sum"]:
        raise click.exceptions.Exit(1)


def _print_lines(made: dict[str, Any], head: str, foot: str) -> None:
    table = Table(*LINES, box=None, pad_edge=False)
    for line in made["lines"]:
        table.add_row(*(_cell(name, line[name]) for name in LINES))
    out = console()
    out.print(head)
    out.print(table)
    out.print(foot)


def _cell(name: str, value: Any) -> str:
    if name in ("amount", "balance"):
        return money(value)
    return "" if value is None else str(value)


def _print_balance(made: dict[str, Any]) -> None:
    table = Table("account", "amount", box=None, pad_edge=False)
    for name, amount in made["accounts"].items():
        table.add_row(name, money(amount))
    table.add_row("sum", money(made["sum"]))
    console().print(table)
