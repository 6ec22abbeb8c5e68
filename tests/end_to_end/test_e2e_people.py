"""What a person types while an engine runs: cards, accounts, decisions, links, a live view, completion."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import islice
from typing import Any

import pytest
from e2e_bank import Bank, Plastic
from e2e_process import AUTHSVC, ROOT
from e2e_wire import Wire
from test_e2e_cli import run


def ask(bank: Bank, *words: str, code: int = 0) -> Any:
    """The answer's JSON, or what was said where the exit code is not 0."""
    done = run(words[0], "--url", bank.engine.url, "--json", *words[1:])
    assert done.exit_code == code, done.output
    return json.loads(done.output) if code == 0 else done.output


def on_screen(bank: Bank, *words: str) -> str:
    done = run(words[0], "--url", bank.engine.url, *words[1:])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("block", "CARD", "--kind", "temporary"), {"status": "temporarily_blocked"}),
        (("contactless", "CARD", "off"), {"contactless": {"enabled": False, "unlocked": False, "since_sca": 0}}),
        (("trust", "CARD", "SHOP 1 A"), {"trusted_merchants": ["SHOP 1 A"]}),
        (("unlock-3ds", "CARD"), {"three_ds": {"locked": False, "failures": 0}}),
    ],
    ids=lambda words: words[0] if isinstance(words, tuple) else "",
)
def test_orders_on_a_card(bank: Bank, words: tuple[str, ...], expected: dict[str, Any]) -> None:
    """Each answers with the card as it is afterwards."""
    card = bank.issue("prepaid-bps")
    shown = ask(bank, "card", *(card.card if word == "CARD" else word for word in words))
    assert {name: shown[name] for name in expected} == expected
    assert ask(bank, "card", "show", card.card) == shown


def test_a_merchant_is_trusted_no_more(bank: Bank) -> None:
    card = bank.issue("prepaid-bps")
    ask(bank, "card", "trust", card.card, "SHOP")
    assert ask(bank, "card", "trust", card.card, "SHOP", "--not")["trusted_merchants"] == []


def test_new_plastic(bank: Bank) -> None:
    """A renewed card waits for its activation; a duplicate is for damage only; a replaced one is another card."""
    card = bank.issue("credit-business")
    assert ask(bank, "card", "renew", card.card, "--expiry", "3012")["renewal"]["expiry"] == "3012"
    assert "duplicate" in ask(bank, "card", "duplicate", card.card, "--cause", "lost", code=1)
    ask(bank, "card", "block", card.card, "--kind", "lost")
    new = ask(bank, "card", "replace", card.card, "--pin", "1234")
    assert new["card"] != card.card


def test_three_ds_and_pin(bank: Bank) -> None:
    """A failed authentication is counted; a new PIN is asked for twice and shown never."""
    card = bank.issue("prepaid-bps")
    words = ("--amount", "100", "--merchant", "SHOP")
    assert ask(bank, "card", "three-ds", card.card, "failed", *words)["locked"] is False
    done = run("card", "--url", bank.engine.url, "pin", card.card, "--json", stdin="4321\n4321\n")
    assert (done.exit_code, "4321" in done.output) == (0, False)
    assert card.pay_with_pin(pin="4321") != "55"


def test_a_transfer_and_the_end_of_an_account(bank: Bank) -> None:
    card = bank.issue("prepaid-bps", load=100_00)
    iban = ("PL61109010140000071219812874", "--reference", "rent")
    assert ask(bank, "account", "transfer", card.account, card.card, "1000", *iban)["amount"] == 10_00
    ask(bank, "account", "status", card.account, "closed")
    assert ask(bank, "account", "show", card.account)["status"] == "closed"


def paid(bank: Bank) -> tuple[Plastic, str, str]:
    """A card with one payment approved and one refused; their RRNs."""
    card = bank.issue("prepaid-bps", load=10_00)
    assert card.pay(4_00) == "00"
    approved = card.sent["37"]
    assert card.pay(40_00) == "51"
    return card, approved, card.sent["37"]


def test_decisions_since_and_by_reason(bank: Bank) -> None:
    """From a moment on, in order; only refusals for a reason, where one is named; as lines or as JSON."""
    card, approved, refused = paid(bank)
    since = ("--since", bank.now.isoformat())
    lines = [
        json.loads(line) for line in run("decisions", "--url", bank.engine.url, "--json", *since).output.splitlines()
    ]
    mine = [line for line in lines if line["account"] == card.account and line["kind"] == "authorization"]
    assert [line["request"]["origin"]["rrn"] for line in mine] == [approved, refused]
    assert [line["at"] for line in lines if line["at"] < "2026-06-15"] == []
    text = on_screen(bank, "decisions", *since, "--reason", "INSUFFICIENT_FUNDS")
    assert (refused in text, approved in text, "W §10.1" in text) == (True, False, True)


def test_nothing_since_tomorrow(bank: Bank) -> None:
    paid(bank)
    assert on_screen(bank, "decisions", "--since", "2099-01-01T00:00:00Z") == ""


@pytest.mark.parametrize("since", ["yesterday", "2026-06-15T12:00:00", "15 m", "-5m"])
def test_no_time(bank: Bank, since: str) -> None:
    """Exit 2, with the option named."""
    done = run("decisions", "--url", bank.engine.url, f"--since={since}")
    assert (done.exit_code, "--since" in done.output) == (2, True)


def test_links(bank: Bank) -> None:
    """The bank's own link is there, with its port; on a screen as well."""
    paid(bank)
    found = ask(bank, "links")
    assert {link["listener"] for link in found} == {"main"}
    assert all(re.fullmatch(r"127\.0\.0\.1:[0-9]+", link["peer"]) and link["signed_on"] for link in found)
    assert "signed on" in on_screen(bank, "links")


def test_a_link_that_is_refused(bank: Bank) -> None:
    """Messages that cannot be read are in no journal: the link says how many there were, the log what and whose."""
    bank.issue("prepaid-bps")
    wire = Wire(bank.engine.port)
    assert (
        wire.ask({**bank.card("prepaid-bps", bank.account("prepaid-bps")).message(1_00), "4": "00000000000X"})["39"]
        == "30"
    )
    (link,) = [link for link in ask(bank, "links") if link["refused"]]
    assert (link["answered"], link["refused"]) == (1, 1)
    assert f'"peer":"{link["peer"]}"' in bank.engine.said()
    assert "without a decision" in on_screen(
        bank, "decisions", "--since", "2099-01-01T00:00:00Z", "--reason", "FORMAT_ERROR"
    )
    wire.close()


def test_top_once(bank: Bank) -> None:
    """One look: links and holds that are there, products by name; without messages no latency is made up."""
    paid(bank)
    seen = json.loads(run("top", "--url", bank.engine.url, "--every", "0.1", "--once", "--json").output)
    assert (seen["workers"], seen["links"] >= 1, seen["holds"] >= 1) == (1, True, True)
    assert seen["holds_grosze"] >= 4_00
    of_product = seen["products"]["prepaid-bps"]
    assert (of_product["holds"] >= 1, of_product["holds_grosze"] >= 4_00) == (True, True)
    assert sum(each["holds"] for each in seen["products"].values()) == seen["holds"]
    assert sum(each["holds_grosze"] for each in seen["products"].values()) == seen["holds_grosze"]
    assert (seen["decisions"], seen["p99_ms"]) == (0.0, None)
    assert "decisions/s" in on_screen(bank, "top", "--every", "0.1", "--once")


def test_top_into_a_pipe(bank: Bank) -> None:
    """Where nobody watches a screen: look after look, with the stage that takes the time."""
    words = [sys.executable, "-m", "authsvc", "top", "--url", bank.engine.url, "--every", "0.1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        heads = [line for line in islice(watching.stdout, 40) if line.split()[:1] == ["stage"]]
        watching.terminate()
    assert len(heads) > 1
    assert heads[0].split() == ["stage", "decode", "load", "decide", "commit"]


def test_top_without_an_engine() -> None:
    done = run("top", "--url", "http://127.0.0.1:1", "--once")
    assert (done.exit_code, "http://127.0.0.1:1/metrics" in done.output) == (1, True)


def test_explain_and_reconcile_as_json(bank: Bank) -> None:
    """The same that is told in words."""
    _, _, refused = paid(bank)
    (told,) = json.loads(run("explain", refused, "--json", *bank.engine.settings).output)
    assert (told["reason"], told["response_code"]) == ("INSUFFICIENT_FUNDS", "51")
    done = json.loads(run("reconcile", "--json", *bank.engine.settings).output)
    assert (done["differences"], done["accounts"] > 0, done["redis_compared"]) == ([], True, True)


def test_completion() -> None:
    """What the shell's Tab asks: commands and their names, as the documentation says to switch it on."""
    environment = os.environ | {
        "_AUTHSVC_COMPLETE": "bash_complete",
        "COMP_WORDS": "authsvc card un",
        "COMP_CWORD": "2",
    }
    done = subprocess.run([AUTHSVC], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["plain,unblock", "plain,unblock-pin", "plain,unlock-3ds"]
