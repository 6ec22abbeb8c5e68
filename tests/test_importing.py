"""Accounts in bulk: what is in the ledger afterwards is what opening, loading, issuing and activating would have left."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from authsvc.clock import SystemClock
from authsvc.codec.pan import with_check_digit
from authsvc.importing import Imported, Importer, Problem
from authsvc.ledger.reconcile import reconcile
from authsvc.ledger.sqlite import SqliteLedger
from authsvc.ledger.sqlite_reader import open_reader
from authsvc.model import Account, ActivateCard, IssueCard, Load, OpenAccount
from authsvc.products import load_products
from authsvc.rules.decide import decide
from authsvc.rules.evolve import evolve, fold
from authsvc.security.hsm import SoftHsm
from authsvc.security.keys import load_keys
from authsvc.security.mint import Mint
from authsvc.security.vault import Vault

ROOT = Path(__file__).parents[1]
PRODUCTS = load_products(ROOT / "config/products", ROOT / "config/response_codes")
KEYS = load_keys(ROOT / "config/keys/demo.toml")


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    made = SqliteLedger(tmp_path / "ledger.sqlite")
    await made.open()
    yield made
    await made.close()


def importer(ledger: SqliteLedger, *, pins: bool = True) -> Importer:
    mint = Mint(KEYS, SoftHsm(KEYS), Vault(KEYS, ledger.vault_by_hash, ledger.vault_by_card))
    return Importer(ledger, PRODUCTS, mint, SystemClock(), pins=pins)


def line(number: int = 1, product: str = "prepaid-bps", **fields: object) -> dict[str, object]:
    pan = with_check_digit(f"{PRODUCTS[product].bin}{number:0{15 - len(PRODUCTS[product].bin)}}")
    return {"product": product, "pan": pan, "expiry": "4912", "pin": "1234", **fields}


async def taken(ledger: SqliteLedger, *lines: object, pins: bool = True) -> tuple[Imported, list[Problem]]:
    told: list[Problem] = []
    text = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines]
    return await importer(ledger, pins=pins).run(text, told.append, lambda _: None), told


CREDIT = {"credit_limit": 5_000_00, "limits": {"cash": 1_000_00, "cashless": 2_000_00, "internet": 500_00}}


@pytest.mark.parametrize(
    ("product", "fields"),
    [
        ("prepaid-bps", {}),
        ("prepaid-sgb", {"balance": 250_00, "holder": 'Anna "A" Żak'}),
        ("prepaid-bps", {"balance": 1, "active": False}),
        ("credit-business", CREDIT),
        ("credit-business", {**CREDIT, "individual_limit": 4_000_00, "balance": 10_00}),
    ],
)
async def test_an_imported_account_is_as_one_opened_by_hand(
    ledger: SqliteLedger, product: str, fields: dict[str, object]
) -> None:
    done, told = await taken(ledger, line(product=product, **fields))
    assert (done, told) == (Imported(taken=1), [])
    (account,) = await ledger.accounts()
    head = await ledger.head(account)
    assert head is not None
    (row,) = await ledger.journal(account)
    by_hand, given, now = Account(id=account), row.decision.request, row.decision.at
    (card,) = head.account.cards.values()
    for step in given.steps:  # type: ignore[union-attr]
        assert isinstance(step, OpenAccount | Load | IssueCard | ActivateCard)
        by_hand = evolve(by_hand, decide(step, by_hand, PRODUCTS[product], now))
    assert head.account.cards == by_hand.cards
    assert (head.account.balance, head.account.credit_limit) == (by_hand.balance, by_hand.credit_limit)
    assert head.account.holder == fields.get("holder", "")
    assert card.pvv == SoftHsm(KEYS).pvv("1234", str(line(product=product)["pan"]))
    assert fold(account, [row.decision]) == head.account


async def test_the_books_and_the_vault_agree(ledger: SqliteLedger, tmp_path: Path) -> None:
    """reconcile finds nothing, the trial balance is zero, and each PAN leads to its card."""
    lines = [line(number, balance=number * 100) for number in range(1, 300)]
    done, _ = await taken(ledger, *lines, b"", b"\n")
    assert done == Imported(taken=299)
    reader = open_reader(tmp_path / "ledger.sqlite")
    assert list(reconcile(reader, evolve)) == []
    reader.close()
    books = await ledger.trial_balance(2**62)  # type: ignore[arg-type]
    assert sum(books.values()) == 0
    assert books["cardholder"] == -sum(number * 100 for number in range(1, 300))
    vault = Vault(KEYS, ledger.vault_by_hash, ledger.vault_by_card)
    found = await vault.find(str(lines[5]["pan"]))
    assert await vault.pan_of(found.card) == lines[5]["pan"]
    head = await ledger.head(found.account)
    assert head is not None
    assert head.account.balance == 600


async def test_given_again_it_goes_on(ledger: SqliteLedger) -> None:
    """A file that was interrupted: what is there stays, what is not comes."""
    lines = [line(number, balance=100) for number in range(1, 11)]
    assert (await taken(ledger, *lines[:4]))[0] == Imported(taken=4)
    assert (await taken(ledger, *lines))[0] == Imported(taken=6, there=4)
    assert (await taken(ledger, *lines))[0] == Imported(there=10)
    for account in await ledger.accounts():
        head = await ledger.head(account)
        assert head is not None
        assert (head.account.seq, head.account.balance) == (1, 100)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"product": "gold"}, "product: there is no product 'gold'"),
        ({"product": "none"}, "product: there is no product 'none'"),
        ({"pan": "4180390000000018"}, "pan: the last digit is not its check digit"),
        ({"pan": "41803900000000x7"}, "$.pan"),
        ({"expiry": "2013"}, "$.expiry"),
        ({"expiry": "2001"}, "expiry: is in the past"),
        ({"pin": ""}, "exactly one of pvv and pin"),
        ({"pvv": "1111"}, "exactly one of pvv and pin"),
        ({"pin": "12"}, "$.pin"),
        ({"balance": -1}, "$.balance"),
        ({"credit_limit": 1}, "credit_limit: a credit product needs one, and no other has one"),
        ({"product": "credit-business"}, "credit_limit: a credit product needs one"),
        ({"colour": "red"}, "colour"),
        ({"limits": {"cash": 10**11, "cashless": 1, "internet": 1}}, "ABOVE_CEILING"),
    ],
)
async def test_a_wrong_line_is_named_and_the_others_taken(
    ledger: SqliteLedger, wrong: dict[str, object], why: str
) -> None:
    done, (problem,) = await taken(ledger, line(1), {**line(2), **wrong}, line(3))
    assert done == Imported(taken=2, problems=1)
    assert problem.line == 2
    assert why in problem.why
    assert str(line(2)["pan"]) not in problem.why


async def test_lines_that_are_no_json(ledger: SqliteLedger) -> None:
    done, told = await taken(ledger, b"{", b"\xff\xfe", b"[]", line())
    assert done == Imported(taken=1, problems=3)
    assert [problem.line for problem in told] == [1, 2, 3]


async def test_pins_in_clear_must_be_allowed(ledger: SqliteLedger) -> None:
    done, (problem,) = await taken(ledger, line(), pins=False)
    assert (done.taken, "--pins" in problem.why) == (0, True)
    with_pvv = {**line(), "pvv": "4711"}
    del with_pvv["pin"]
    assert (await taken(ledger, with_pvv, pins=False))[0] == Imported(taken=1)


async def test_a_pan_twice_in_one_file(ledger: SqliteLedger) -> None:
    """The second is the same account, which is there already."""
    assert (await taken(ledger, line(1), line(1)))[0] == Imported(taken=1, there=1)
