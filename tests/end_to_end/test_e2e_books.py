"""The ledger's life over TCP: presented, expired, corrected, proven (issue C)."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

from click.testing import CliRunner
from conftest import Start
from e2e_bank import Bank, Plastic

from authsvc.cli import main

SWEPT_WITHIN = 10.0


def reconciled(bank: Bank) -> None:
    done = CliRunner().invoke(main, ["reconcile", *bank.engine.settings])
    assert done.exit_code == 0, done.output


def trial_balance(bank: Bank) -> dict[str, int]:
    answer = bank.api.get("/v1/trial-balance")
    assert answer["sum"] == 0
    accounts: dict[str, int] = answer["accounts"]
    return accounts


def at_random(
    draw: random.Random, bank: Bank, cards: list[Plastic], sent: list[tuple[Plastic, dict[str, str]]]
) -> None:
    """One thing that may happen to a card."""
    card = draw.choice(cards)
    amount = draw.randrange(1_00, 60_00)
    match draw.randrange(8):
        case 0 | 1:
            card.ask(amount, pin="1234")
            sent.append((card, card.sent))
        case 2:
            card.ask(amount, pin="1234", t="0200")
            sent.append((card, card.sent))
        case 3 if sent:
            card, of = draw.choice(sent)
            undo = card.reversal(of) | {"90": f"{of['t']}{of['11']}{of['7']}{of['32']:0>11}{'0' * 11}"}
            assert bank.wire.ask(undo)["39"] == "00"
        case 4 if sent:
            card, of = draw.choice(sent)
            assert card.pay(int(of["4"]) + draw.randrange(-50, 50), t="0220", f37=of["37"]) == "00"
        case 5:
            assert card.pay(amount, t="0220") == "00"  # nobody authorized it
        case 6:
            body = {"amount": amount, "reference": "r"}
            bank.api.post(f"/v1/accounts/{card.account}/loads", body)
        case 7:
            body = {"kind": "fee", "amount": 1_00, "reference": "tariff"}
            bank.api.post(f"/v1/accounts/{card.account}/charges", body)


def test_whatever_happens_the_books_balance(start: Start) -> None:
    """Purchases, claims with and without authorization, twice, reversed, fees and payments, in any order: every entry has its
    other side, each account's balance is the sum of its entries, and the fold of the journal says the same."""
    bank = Bank(start())
    draw = random.Random(8583)
    products = ("prepaid-bps", "prepaid-sgb", "credit-business")
    cards = [bank.issue(product, load=500_00) for product in products for _ in range(3)]
    sent: list[tuple[Plastic, dict[str, str]]] = []
    for _ in range(600):
        at_random(draw, bank, cards, sent)
    accounts = trial_balance(bank)
    balances = sum(bank.api.get(f"/v1/accounts/{card.account}")["balance"] for card in cards)
    assert accounts["cardholder"] == -balances
    assert accounts["scheme_settlement"] < 0 < accounts["loads"]
    for card in cards:
        made = bank.api.get(f"/v1/accounts/{card.account}/statement")
        assert made["opening"] + sum(line["amount"] for line in made["lines"]) == made["closing"]
    reconciled(bank)
    bank.close()


def test_a_hold_of_an_idle_account_ends_by_itself(start: Start) -> None:
    """W §14.13: nobody asks anything of that card again, and its hold is gone from the ledger a week later."""
    bank = Bank(start("sweep_seconds=0.05"))
    card = bank.issue("prepaid-bps")
    card.pay_with_pin(60_00)
    bank.advance(days=7)
    give_up = time.monotonic() + SWEPT_WITHIN
    while not (found := bank.api.get("/v1/events?after=0")["events"]) or found[-1]["kind"] != "hold_expired":
        assert time.monotonic() < give_up, found
        time.sleep(0.05)
    journal = bank.api.get(f"/v1/accounts/{card.account}/journal")
    assert journal[-1]["kind"] == "expire_holds"
    reconciled(bank)
    bank.close()


def test_the_books_on_the_command_line(bank: Bank, tmp_path: Path) -> None:
    """`account charge | statement | billing | trial-balance`, as tables, JSON and CSV."""
    card = bank.issue("credit-business")
    connected = ["--url", bank.engine.url, "--token", "demo-operator"]

    def run(*words: str, json_: bool = False) -> str:
        done = CliRunner().invoke(main, ["account", *connected, *(["--json"] if json_ else []), *words])
        assert done.exit_code == 0, done.output
        return done.output

    run("charge", card.account, "fee", "700", "--reference", "card fee")
    assert "7.00 PLN" in run("statement", card.account)
    assert json.loads(run("statement", card.account, json_=True))["closing"] == -7_00
    lines = run("statement", card.account, "--csv").splitlines()
    assert (len(lines), lines[1].split(",")[1:3]) == (2, ["fee", "-700"])
    assert "2026-06-08 to 2026-07-07" in run("billing", card.account, "--month", "2026-07")
    assert "fees" in run("trial-balance")
    assert json.loads(run("trial-balance", json_=True))["sum"] == 0
    done = CliRunner().invoke(main, ["account", *connected, "billing", card.account, "--month", "2026-13"])
    assert (done.exit_code, "month" in done.output) == (1, True)
    assert tmp_path.exists()
