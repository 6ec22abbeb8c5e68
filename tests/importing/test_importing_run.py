"""Accounts in bulk: what is in the ledger afterwards is what the rules decide, proved by the books, and safe to repeat."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from engine_parts import KEYS, NO_REDIS, NOON, PRODUCTS, parts
from hypothesis import given, settings
from hypothesis import strategies as st
from importing_parts import CREDIT, TELLER, card, into, line, opener, taken, text
from postgres_server import PostgresServer

from authsvc.errors import ConfigError
from authsvc.importing.reading import AccountWanted, CardWanted, LimitsWanted, Problem
from authsvc.importing.run import Imported
from authsvc.ledger.postgres import PostgresLedger
from authsvc.ledger.postgres_bulk import PostgresBulk
from authsvc.ledger.postgres_records import PostgresRecords
from authsvc.ledger.reconcile import reconcile
from authsvc.ledger.sqlite_bulk import SqliteBulk
from authsvc.ledger.sqlite_reader import open_reader
from authsvc.model import (
    Account,
    ActivateCard,
    Decision,
    Head,
    ImportAccount,
    IssueCard,
    Load,
    OpenAccount,
    PostingKind,
)
from authsvc.model.documents import account_of
from authsvc.replay.again import Window
from authsvc.replay.report import compare
from authsvc.replay.versions import always
from authsvc.rules.decide import decide
from authsvc.rules.evolve import evolve, fold
from authsvc.security.hsm import SoftHsm

LIMITS = {"cash": 1_000_00, "cashless": 2_000_00, "internet": 500_00}
DEBTS = {"purchase": 1_234_56, "interest": 7_00}
OWING = [card(1, CREDIT, debts=DEBTS, individual_limit=2_000_00), card(2, CREDIT, debts={"purchase": 1}, active=False)]


def differences(folder: Path) -> list[object]:
    reader = open_reader(folder / "ledger.sqlite")
    try:
        return list(reconcile(reader, evolve))
    finally:
        reader.close()


def only(folder: Path) -> tuple[Head, Decision]:
    """The one account of a ledger, and its one decision."""
    reader = open_reader(folder / "ledger.sqlite")
    try:
        (account,) = reader.accounts("", 10)
        head, (row,) = reader.head(account, evolve), reader.journal(account, 0, 10)
        assert head is not None
        return head, row.decision
    finally:
        reader.close()


@pytest.mark.parametrize(
    ("product", "fields", "of_card"),
    [
        ("prepaid-bps", {}, {}),
        ("prepaid-sgb", {"balance": 250_00, "holder": 'Anna "A" Żak'}, {}),
        ("prepaid-bps", {"balance": 1}, {"active": False}),
        (CREDIT, {"credit_limit": 5_000_00}, {"limits": LIMITS}),
        (CREDIT, {"credit_limit": 5_000_00, "balance": 10_00}, {"individual_limit": 4_000_00, "limits": {"cash": 0}}),
    ],
)
def test_an_imported_account_is_as_one_opened_by_hand(
    tmp_path: Path, product: str, fields: dict[str, object], of_card: dict[str, object]
) -> None:
    plastic = card(1, product, **of_card)
    assert taken(tmp_path, line(product=product, cards=[plastic], **fields)) == (Imported(taken=1, cards=1), [])
    head, decision = only(tmp_path)
    assert isinstance(decision.request, ImportAccount)
    by_hand = Account(id=head.account.id)
    for step in decision.request.steps:
        assert isinstance(step, OpenAccount | Load | IssueCard | ActivateCard)
        by_hand = evolve(by_hand, decide(step, by_hand, PRODUCTS[product], decision.at))
    assert head.account.cards == by_hand.cards
    assert (head.account.balance, head.account.credit_limit) == (by_hand.balance, by_hand.credit_limit)
    assert head.account.holder == fields.get("holder", "")
    (found,) = head.account.cards.values()
    assert found.pvv == SoftHsm(KEYS).pvv("1234", str(plastic["pan"]))
    assert fold(head.account.id, [decision]) == head.account


def test_debts_are_owed_by_their_cards_and_kinds(tmp_path: Path) -> None:
    """They add up to the balance, and stand in the books against what was taken over; payments settle them by S §41.2."""
    taken(tmp_path, line(product=CREDIT, credit_limit=5_000_00, cards=OWING))
    account = only(tmp_path)[0].account
    assert account.balance == -1_241_57
    assert account.owed == {PostingKind.PURCHASE: 1_234_57, PostingKind.INTEREST: 7_00}
    assert sorted(one.debt for one in account.cards.values()) == [1, 1_241_56]
    reader = open_reader(tmp_path / "ledger.sqlite")
    assert reader.trial_balance(NOON + 1) == {"cardholder": 1_241_57, "taken_over": -1_241_57}  # type: ignore[arg-type]
    reader.close()
    repaid = evolve(account, decide(Load(account.id, 1_240_00, "paid"), account, PRODUCTS[CREDIT], NOON))  # type: ignore[arg-type]
    assert repaid.owed == {PostingKind.PURCHASE: 1_57}


def test_the_books_agree_and_the_same_files_decide_the_same_again(tmp_path: Path) -> None:
    """In several orders; reconcile finds nothing, replay neither."""
    lines = [line(number, balance=number * 100) for number in range(1, 250)]
    owing = line(product=CREDIT, credit_limit=5_000_00, cards=OWING)
    assert taken(tmp_path, *lines, b"\n", owing, order=40)[0] == Imported(taken=250, cards=251)
    assert differences(tmp_path) == []
    reader = open_reader(tmp_path / "ledger.sqlite")
    report = compare(reader, always(PRODUCTS), Window(), "", None)
    assert (report.accounts, report.requests, report.differs) == (250, 250, False)
    reader.close()


async def test_an_engine_finds_the_cards_and_names_who_brought_them(tmp_path: Path) -> None:
    plastic = card(7)
    await asyncio.to_thread(taken, tmp_path, line(7, balance=5_00))
    async with parts(tmp_path, NO_REDIS) as engine:
        found = await engine.vault.find(str(plastic["pan"]))
        assert await engine.vault.pan_of(found.card) == plastic["pan"]
        (row,) = await engine.ledger.orders(NOON - 1, 0)  # type: ignore[arg-type]
    assert row.decision.audit is not None
    assert row.decision.audit.actor == TELLER
    assert row.decision.audit.after == {"product": "prepaid-bps", "credit_limit": 0, "balance": 5_00, "cards": 1}


CARDS = st.lists(
    st.builds(
        CardWanted, pan=st.sampled_from([str(card(number, CREDIT)["pan"]) for number in range(5)]), pvv=st.just("1234"),
        expiry=st.sampled_from(("2812", "4912")), limits=st.builds(LimitsWanted, st.none() | st.integers(0, 10_000)),
        active=st.booleans(), individual_limit=st.just(7), debts=st.dictionaries(
            st.sampled_from(PRODUCTS[CREDIT].repayment_order), st.integers(1, 10**12 - 1), max_size=11),
    ), min_size=1, max_size=3,
)  # fmt: skip


@given(CARDS, st.text(max_size=20), st.integers(0, 10**12 - 1))
@settings(max_examples=60)
def test_what_a_mould_fills_is_what_the_rules_decide(cards: list[CardWanted], holder: str, balance: int) -> None:
    """Whatever a holder is called, whatever is owed, more amounts than a mould takes as well."""
    owing = sum(sum(each.debts.values()) for each in cards)
    wanted = AccountWanted(
        product=CREDIT, cards=tuple(cards), holder=holder, balance=0 if owing else balance, credit_limit=100
    )
    opening = opener()
    opening.tick()
    opened = opening.opened(wanted)
    decision, account = (
        msgspec.json.decode(opened.decision, type=Decision),
        account_of(opened.state),
    )
    again = decide(decision.request, Account(id=account.id), PRODUCTS[CREDIT], NOON)
    assert msgspec.structs.replace(decision, audit=None) == again
    assert evolve(Account(id=account.id), again) == account
    assert account.balance == wanted.balance - owing
    assert sum(entry[8] for entry in opened.entries) == wanted.balance + owing


def test_given_again_it_goes_on(tmp_path: Path) -> None:
    """A file that was interrupted: what is there stays, what is not comes."""
    lines = [line(number, balance=100) for number in range(1, 11)]
    assert taken(tmp_path, *lines[:4])[0] == Imported(taken=4, cards=4)
    assert taken(tmp_path, *lines, order=3)[0] == Imported(taken=6, cards=6, there=4)
    assert taken(tmp_path, *lines)[0] == Imported(there=10)
    assert differences(tmp_path) == []


def test_a_killed_import_leaves_whole_orders_and_is_given_again(tmp_path: Path) -> None:
    """SIGKILL after the first order is durable, by a process as an operator runs it."""
    file = tmp_path / "cards.jsonl"
    file.write_bytes(text(*(line(number, balance=100) for number in range(1, 201))))
    victim = [sys.executable, str(Path(__file__).with_name("importing_victim.py")), str(file)]
    done = subprocess.run(victim, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False)
    assert done.returncode == -9
    imported, problems = into(SqliteBulk(tmp_path / "ledger.sqlite"), file.read_bytes())
    assert imported.taken + imported.there == 200
    assert imported.there in (40, 80, 120)  # whatever became of the order that was being written
    assert problems == []
    assert differences(tmp_path) == []


def test_a_pan_leads_to_one_account(tmp_path: Path) -> None:
    """The same cards again are there already; one of them beside another is refused by its line, and nothing of it written."""
    both = line(product=CREDIT, credit_limit=9, cards=[card(1, CREDIT), card(2, CREDIT)])
    mixed = line(product=CREDIT, credit_limit=9, cards=[card(2, CREDIT), card(3, CREDIT)])
    twice = line(product=CREDIT, credit_limit=9, cards=[card(4, CREDIT), card(4, CREDIT)])
    again = line(1, CREDIT, credit_limit=9)
    done, problems = taken(tmp_path, both, both, mixed, twice, again)
    assert done == Imported(taken=1, cards=2, there=2, refused=2)
    assert [(problem.line, problem.field) for problem in problems] == [(3, "cards.pan"), (4, "cards.pan")]
    assert taken(tmp_path, mixed) == (Imported(refused=1), [Problem(1, "cards.pan", problems[0].why)])
    assert differences(tmp_path) == []


@pytest.mark.parametrize(
    ("wrong", "field", "why"),
    [
        ({"product": "gold"}, "product", "there is no such product"),
        ({"product": "none"}, "product", "there is no such product"),
        ({"cards": [card(2, pan="4180390000000018")]}, "cards[0].pan", "check digit"),
        ({"cards": [card(2, expiry="2001")]}, "cards[0].expiry", "in the past"),
        ({"cards": [card(2, pin="")]}, "cards[0].pvv", "exactly one of pvv and pin"),
        ({"cards": [card(2, pvv="1111")]}, "cards[0].pvv", "exactly one of pvv and pin"),
        ({"cards": [card(2, individual_limit=1)]}, "cards[0].individual_limit", "credit product"),
        ({"cards": [card(2, debts={"purchase": 1})]}, "cards[0].debts", "credit product"),
        ({"cards": [card(2), card(3)]}, "issue_card", "too_many_cards"),
        ({"cards": [card(2, limits={"cash": 10**11})]}, "limits", "above_ceiling"),
        ({"credit_limit": 1}, "credit_limit", "a credit product needs one, and no other has one"),
        ({"product": CREDIT}, "credit_limit", "a credit product needs one"),
        ({"product": CREDIT, "credit_limit": 9, "balance": 1, "cards": OWING}, "balance", "debts has none"),
        ({"product": CREDIT, "credit_limit": 9, "cards": [card(2, debts={"load": 5})]}, "cards[0].debts.load", "owed"),
    ],
)
def test_a_wrong_account_is_named_and_the_others_taken(
    tmp_path: Path, wrong: dict[str, object], field: str, why: str
) -> None:
    done, (problem,) = taken(tmp_path, line(10), {**line(2), **wrong}, line(11))
    assert done == Imported(taken=2, cards=2, refused=1)
    assert (problem.line, problem.field) == (2, field)
    assert why in problem.why.lower()
    assert str(card(2)["pan"]) not in problem.why


def test_pins_in_clear_must_be_allowed(tmp_path: Path) -> None:
    done, (problem,) = taken(tmp_path, line(), pins=False)
    assert (done.taken, problem.field, "--pins" in problem.why) == (0, "cards[0].pin", True)
    with_pvv = line(cards=[card(pin="", pvv="4711")])
    assert taken(tmp_path, with_pvv, pins=False)[0].taken == 1


async def test_not_beside_an_engine_on_the_same_file(tmp_path: Path) -> None:
    """One process writes; the error says who has the folder."""
    async with parts(tmp_path, NO_REDIS):
        with pytest.raises(ConfigError, match="another engine uses this data_dir"):
            await asyncio.to_thread(SqliteBulk, tmp_path / "ledger.sqlite")


@pytest.mark.parametrize("partitions", [0, 3])
def test_postgres_has_the_same(postgres: PostgresServer, tmp_path: Path, partitions: int) -> None:
    """More accounts than a transaction may have; given again; reconciled; the same facts as in SQLite."""
    url = postgres.database()
    lines = [line(number, balance=100 * number) for number in range(1, 1101)]
    owing = line(product=CREDIT, credit_limit=5_000_00, cards=OWING)
    first = into(PostgresBulk(url, partitions), text(*lines[:500]), order=2_000)
    assert first == (Imported(taken=500, cards=500), [])
    done, problems = into(PostgresBulk(url), text(*lines, owing, line(product=CREDIT, credit_limit=1)), order=2_000)
    assert (done, problems) == (Imported(taken=601, cards=602, there=501), [])
    records = PostgresRecords(url)
    assert list(reconcile(records, evolve, None)) == []
    records.close()
    taken(tmp_path, *lines, owing, order=2_000)
    near, far = open_reader(tmp_path / "ledger.sqlite"), asyncio.run(_books(url))
    assert near.trial_balance(NOON + 1) == far  # type: ignore[arg-type]
    near.close()


async def _books(url: str) -> dict[str, int]:

    ledger = PostgresLedger(url)
    await ledger.open()
    try:
        return dict(await ledger.trial_balance(NOON + 1))  # type: ignore[arg-type]
    finally:
        await ledger.close()


def test_postgres_refuses_a_taken_pan(postgres: PostgresServer) -> None:
    mixed = line(product=CREDIT, credit_limit=9, cards=[card(1, CREDIT), card(2, CREDIT)])
    done, (problem,) = into(PostgresBulk(postgres.database()), text(line(1, CREDIT, credit_limit=9), mixed))
    assert (done, problem.line, problem.field) == (Imported(taken=1, cards=1, refused=1), 2, "cards.pan")
