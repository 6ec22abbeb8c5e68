"""Replay, rebuild and reconcile against real engines: what they recorded, while they run and afterwards."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import Start
from e2e_bank import Bank, Plastic
from e2e_process import ROOT
from e2e_traffic import Traffic
from test_e2e_cli import run

PRODUCTS = "config/products"


def busy(bank: Bank) -> list[Plastic]:
    """Payments of each kind, with what follows them."""
    cards = [bank.issue(product, load=300_00) for product in ("credit-business", "prepaid-bps", "prepaid-sgb")]
    for card in cards:
        assert card.pay_with_pin(20_00) == "00"
        assert card.tap(60_00) == "00"
        assert card.reverse(card.sent, 50_00) == "00"
        tapped = card.sent
        card.draw_cash(50_00)
        card.pay(10_00, pin="0000")
        card.pay_with_pin(30_00)
        code = bank.decision(card.sent)["authorization_code"]
        claim = {"scheme": "visa", "rrn": card.sent["37"], "authorization_code": code, "pan_or_card": card.card}
        claim |= {"amount": 30_00, "currency": "985", "final": True, "merchant_id": "SHOP00000000042", "mcc": "5411"}
        bank.api.post("/v1/presentments", [claim])
        bank.api.post("/v1/presentments", [{**claim, "amount": 5_00}])
        proof = {"amount": 40_00, "currency": "985", "merchant_id": "SHOP00000000042", "outcome": "succeeded"}
        cavv = bank.api.post(f"/v1/cards/{card.card}/three-ds", proof)["cavv"]
        card.order(40_00, f48=f"42032124328{cavv}")
        card.order(10_00)
        card.change("POST", "block", {"kind": "temporary", "by": "holder"})
        card.pay()
        bank.wire.ask(tapped)
    bank.advance(days=9)
    for card in cards:
        card.change("POST", "unblock")
        card.pay(5_00)
    return cards


def replay(bank: Bank, *words: str, products: Path | str = PRODUCTS) -> tuple[int, dict[str, object]]:
    done = run("replay", *bank.engine.settings, "--products", str(products), "--json", *words)
    assert done.exit_code in (0, 1), done.stderr
    report: dict[str, object] = json.loads(done.stdout)
    return done.exit_code, report


def test_by_the_same_files_nothing_differs(bank: Bank) -> None:
    """Beside a running engine, all that it decided so far: exit 0. The shared one's whole life is replayed at its end
    (conftest)."""
    cards = busy(bank)
    done, report = replay(bank)
    assert (done, report["accounts_otherwise"]) == (0, 0)
    requests = report["requests"]
    assert isinstance(requests, int)
    assert report["turns"] == {
        "same": requests, "refused now": 0, "approved now": 0, "other reason": 0, "other amount": 0, "other DE39": 0,
        "not presented": 0,
    }  # fmt: skip
    _, one = replay(bank, "--account", cards[0].account)
    assert one["accounts"] == 1
    assert replay(bank, "--account", cards[0].account, "--to", "2026-06-15T09:00:00Z")[1]["requests"] == 0


@pytest.fixture
def stricter(tmp_path: Path) -> Path:
    """The product files, with 50.00 as the most without PIN at BPS."""
    folder = tmp_path / "products"
    shutil.copytree(ROOT / PRODUCTS, folder)
    file = folder / "prepaid-bps.toml"
    text = file.read_text()
    assert text.count("one_payment = 10_000") == 1
    file.write_text(text.replace("one_payment = 10_000", "one_payment = 5_000"))
    return folder


def test_what_would_have_been(bank: Bank, stricter: Path, tmp_path: Path) -> None:
    """Exit 1, the differences with their reasons, and a row for each; twice the same bytes."""
    card = bank.issue("prepaid-bps", load=100_00)
    card.pay_with_pin(10_00)
    assert card.tap(60_00) == "00"
    tapped = card.sent
    assert card.pay_with_pin(40_00) == "51"
    words = ("--account", card.account, "--csv", str(tmp_path / "rows.csv"))
    done, report = replay(bank, *words, products=stricter)
    assert (done, report["accounts_otherwise"]) == (1, 1)
    first = (tmp_path / "rows.csv").read_bytes()
    assert replay(bank, *words, products=stricter) == (done, report)
    assert (tmp_path / "rows.csv").read_bytes() == first
    refused, approved = csv.DictReader(first.decode().splitlines())
    assert (refused["rrn"], refused["reason_now"], refused["was"]) == (tapped["37"], "PIN_REQUIRED", "6000")
    assert (approved["turn"], approved["reason_was"], approved["now"]) == ("approved now", "INSUFFICIENT_FUNDS", "4000")
    told = run("replay", *bank.engine.settings, "--products", str(stricter), "--account", card.account)
    assert "prepaid-bps: refused now: approved -> PIN_REQUIRED: 1  6000 minor units of 985" in told.stdout
    assert "decisions a second" in told.stderr
    assert card.pan not in told.stdout + first.decode()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--rates", "config/rates"), "--products"),
        (("--products", "no-such-folder"), "--products"),
        (("--products", "docs"), "no product file"),
        (("--products", PRODUCTS, "--from", "yesterday"), "--from"),
        (("--products", PRODUCTS, "--to", "2026-06-15T12:00:00"), "--to"),
        (("--products", PRODUCTS, "--account", "nobody"), "--account"),
        (("--products", PRODUCTS, "--csv", "no-such-folder/rows.csv"), "--csv"),
        (("--products", PRODUCTS, "--data", "docs"), "ledger.sqlite"),
    ],
)
def test_wrong_use_of_replay(bank: Bank, words: tuple[str, ...], says: str) -> None:
    done = run("replay", *bank.engine.settings, *words)
    assert (done.exit_code, says in done.stderr) == (2, True), done.stderr


def test_rebuild_after_redis_was_emptied(bank: Bank) -> None:
    """FLUSHALL, rebuild beside the running engine: every copy is there again, and agrees with the journal. The engine still
    writes the copies of accounts that were busy in the seconds before; those are not written twice."""
    cards = [bank.issue("prepaid-bps") for _ in range(3)]
    for card in cards:
        card.pay()
    valkey = bank.engine.valkey()
    valkey.flushall()
    done = run("rebuild", *bank.engine.settings, "--per-second", "2000")
    assert done.exit_code == 0, done.stderr
    told = re.fullmatch(r"(\d+) accounts: (\d+) written, (\d+) were as new or newer; \d+ a second\n", done.stdout)
    assert told is not None, done.stdout
    accounts, written, newer = map(int, told.groups())
    assert (written + newer, valkey.dbsize()) == (accounts, accounts)
    assert written > accounts // 2
    assert all(valkey.exists(f"acct:{{{card.account}}}") for card in cards)
    clean = run("reconcile", *bank.engine.settings)
    assert (clean.exit_code, "Redis copy: compared" in clean.stdout) == (0, True), clean.stdout
    again = json.loads(run("rebuild", "--json", *bank.engine.settings).stdout)
    assert (again["written"], again["kept"], again["damaged"]) == (0, again["accounts"], [])
    for card in cards:
        assert (card.pay(), card.held) == ("00", 20_00)


def test_rebuild_without_redis(start: Start) -> None:
    """Exit 1: there is nothing to write to."""
    engine = start()
    engine.stop()
    done = run("rebuild", *engine.settings)
    assert (done.exit_code, "no Redis answers" in done.stderr) == (1, True)


def test_all_three_while_messages_flow(start: Start) -> None:
    """Payments on four links, and meanwhile copies that vanish, rebuild, reconcile and replay: all clean, nothing lost."""
    engine = start()
    bank = Bank(engine)
    cards = [bank.issue("prepaid-sgb", load=1_000_000) for _ in range(4)]
    traffic = Traffic(engine, cards)

    def disturb() -> None:
        engine.valkey().flushall()
        for words in (("rebuild",), ("reconcile",), ("replay", "--products", PRODUCTS)):
            done = run(*words, *engine.settings)
            assert done.exit_code == 0, (words, done.stdout, done.stderr)

    traffic.during(disturb, times=3, answers_between=200)
    assert run("reconcile", *engine.settings).exit_code == 0
    assert [card.held for card in cards] == [traffic.approved(card) for card in cards]
    bank.close()
