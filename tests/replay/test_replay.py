"""The same requests by other product files: what turns out otherwise, and that nothing does by the same ones."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
import pytest
from given import (
    ALL,
    BPS,
    CREDIT,
    HOUR,
    NOON,
    PRODUCTS,
    SGB,
    Story,
    authorization,
    contactless,
    ids,
    online,
    presentment,
    reversal,
    with_pin,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from test_rules_walk import JOURNEY, WALK, Walk

from authsvc.errors import ConfigError
from authsvc.ledger.journal import ZERO_HASH, Record, chain, columns
from authsvc.model import (
    Account,
    AccountId,
    ActivateCard,
    CardId,
    Decision,
    IssueCard,
    Load,
    Minor,
    OpenAccount,
    Posted,
    Presentment,
    Reason,
    RecordThreeDs,
    Request,
    SetLimits,
    UnixMs,
)
from authsvc.products import Product, Products
from authsvc.replay.again import DamagedJournalError, Pair, Turn, Window, replayed
from authsvc.replay.report import Report, as_json, as_text, compare, csv_writer
from authsvc.replay.versions import always
from authsvc.rules.three_ds import proof_number

ACCOUNT, CARD = AccountId("account"), CardId("card")
SAME, REFUSED_NOW, APPROVED_NOW = Turn.SAME, Turn.REFUSED_NOW, Turn.APPROVED_NOW


class Journal:
    """Decisions of one account as a ledger has them on its disk."""

    def __init__(self, decisions: list[Decision]) -> None:
        self.rows: list[Record] = []
        head = ZERO_HASH
        for decision in decisions:
            encoded = msgspec.json.encode(decision)
            head = chain(head, encoded)
            self.rows.append(Record(columns(decision), head, encoded))

    def snapshot(self) -> AbstractContextManager[None]:
        return nullcontext()

    def every_account(self) -> Iterator[AccountId]:
        yield ACCOUNT

    def records(self, account: AccountId) -> Iterator[Record]:
        return iter(self.rows if account == ACCOUNT else ())


def opened(product: Product, funds: int = 100_00) -> Story:
    """An account that was opened and has one active card: five decisions."""
    story = Story(product, Account(id=ACCOUNT))
    credit = product.funds == "credit"
    story.approve(
        OpenAccount(ACCOUNT, product.id, Minor(funds) if credit else None),
        Load(ACCOUNT, Minor(1 if credit else funds), "first"),
        IssueCard(ACCOUNT, CARD, "0001", "2812", "1234", Minor(funds) if credit else None),
        ActivateCard(ACCOUNT, CARD),
        SetLimits(ACCOUNT, CARD, internet=Minor(100_00)),
    )
    return story


def under(product: Product, **but: Any) -> Products:
    """All product files, one of them with other parameters."""
    return {**PRODUCTS, product.id: replace(product, **but)}


def pairs_of(story: Story, products: Products, window: Window = Window()) -> list[Pair]:  # noqa: B008 - frozen
    return list(replayed(Journal(story.journal), ACCOUNT, always(products), window)[1])


def turns(story: Story, products: Products) -> list[Turn]:
    """Of what came after `opened`."""
    return [pair.turn for pair in pairs_of(story, products)[5:]]


@pytest.mark.parametrize("product", ALL, ids=ids)
@WALK
@given(journey=JOURNEY, share=st.sampled_from([0.0, 0.0, 0.3, 0.8]))
def test_by_the_same_files_nothing_differs(
    product: Product, journey: list[tuple[tuple[Any, ...], int]], share: float
) -> None:
    """Whatever happened, and from whichever moment on: every decision is the recorded one, to its last byte."""
    walk = Walk(product)
    for what, time in journey:
        walk.step(what, time)
    recorded = walk.story.journal
    window = Window(recorded[int(share * len(recorded))].at if share else UnixMs(0))
    replay, pairs = replayed(Journal(recorded), ACCOUNT, always(PRODUCTS), window)
    again = [pair.now for pair in pairs]
    assert again == recorded[len(recorded) - len(again) :]
    assert [msgspec.json.encode(one) for one in again] == [msgspec.json.encode(one) for one in recorded][-len(again) :]
    assert (replay.ends_otherwise, replay.now) == (False, walk.story.account)


def test_a_refusal_leaves_its_money_for_what_comes_later() -> None:
    """P §10.1: the replayed account lives on with the new decisions; the shop of a refused payment has no claim."""
    story = opened(SGB, 100_00)
    unlock, tap = with_pin(10_00), contactless(60_00)
    story.approve(unlock, tap)
    story.reasons(authorization(40_00))
    story.approve(presentment(tap, 60_00))
    stricter = under(SGB, contactless=replace(SGB.contactless, one_payment=50_00))
    assert turns(story, stricter) == [SAME, REFUSED_NOW, APPROVED_NOW, Turn.NOT_PRESENTED]
    reader = Journal(story.journal)
    replay, pairs = replayed(reader, ACCOUNT, always(stricter), Window())
    made = [pair.now for pair in pairs]
    assert not any(isinstance(change, Posted) for one in made[5:] if one for change in one.changes)
    assert (replay.now.balance, replay.was.balance) == (100_00, 40_00)
    assert sum(hold.amount for hold in replay.now.holds) == 50_00
    assert replay.ends_otherwise


def test_counters_follow_the_new_decisions() -> None:
    """P §4.4: what is refused now is not in the contactless total either, so a later one needs no PIN."""
    story = opened(SGB, 1_000_00)
    story.approve(with_pin(1_00), contactless(90_00), contactless(90_00))
    assert story.reasons(contactless(40_00), contactless(30_00)) == [Reason.PIN_REQUIRED] * 2
    by_other = under(SGB, contactless=replace(SGB.contactless, one_payment=80_00))
    assert turns(story, by_other) == [SAME, REFUSED_NOW, REFUSED_NOW, APPROVED_NOW, APPROVED_NOW]


def test_a_reversal_finds_the_new_original() -> None:
    """A repeat, a reversal and a presentment look into what was decided this time, not into what was recorded."""
    story = opened(SGB, 100_00)
    paid = contactless(60_00)
    story.approve(with_pin(10_00), paid)
    story.now = UnixMs(NOON + HOUR)
    story.approve(reversal(paid))
    stricter = under(SGB, contactless=replace(SGB.contactless, one_payment=50_00))
    refused = pairs_of(story, stricter)[-1]
    assert refused.now is not None
    assert refused.now.trace[-1].inputs == {"original": "held nothing", "given_back": 0}
    assert refused.turn is Turn.OTHER_AMOUNT


def test_proofs_keep_their_numbers() -> None:
    """S §18.2, W §9.2: the proof of a recorded authentication is still good though an earlier payment is refused now."""
    story = opened(BPS, 500_00)
    story.approve(with_pin(1_00), contactless(60_00))
    proof = story.send(RecordThreeDs(ACCOUNT, CARD, Minor(80_00), "985", "MERCHANT0000001", True))
    named = proof_number(proof.at, proof.seq)
    story.approve(online(80_00, level="212", cavv="M", proof=named))
    stricter = under(BPS, contactless=replace(BPS.contactless, one_payment=50_00))
    assert turns(story, stricter) == [SAME, REFUSED_NOW, SAME, SAME]


def test_another_table_of_codes() -> None:
    """The reason is the same, and the terminal is told something else."""
    story = opened(SGB, 10_00)
    story.reasons(authorization(40_00))
    codes = {**SGB.response_codes, Reason.INSUFFICIENT_FUNDS: "05"}
    assert turns(story, under(SGB, response_codes=codes)) == [Turn.OTHER_CODE]


def test_another_reason_and_another_amount() -> None:
    """A payment that fails two rules fails the earlier one; a part approved is larger when a refusal left more."""
    story = opened(SGB, 100_00)
    story.approve(with_pin(10_00), contactless(60_00))
    assert story.reasons(contactless(70_00)) == [Reason.INSUFFICIENT_FUNDS]
    story.approve(authorization(90_00, takes_part=True))
    stricter = under(SGB, contactless=replace(SGB.contactless, one_payment=50_00))
    assert turns(story, stricter) == [SAME, REFUSED_NOW, Turn.OTHER_REASON, Turn.OTHER_AMOUNT]


def test_an_effect_without_another_answer() -> None:
    """Every answer is the same, and yet the account ends otherwise: its hold lives longer."""
    story = opened(SGB, 100_00)
    story.approve(authorization(10_00))
    longer = under(SGB, hold=replace(SGB.hold, days=30))
    assert turns(story, longer) == [SAME]
    report = compare(Journal(story.journal), always(longer), Window())
    assert (report.accounts_otherwise, report.differs) == (1, True)


@pytest.mark.parametrize(("since", "until", "seqs"), [(0, 99, 10), (2, 99, 3), (2, 4, 2), (9, 99, 0)])
def test_a_window(since: int, until: int, seqs: int) -> None:
    """What was before it stays as it was, whatever the new rules say; what is behind it is not looked at."""
    story = opened(SGB, 100_00)
    story.approve(with_pin(1_00))
    for hour in range(4):
        story.now = UnixMs(NOON + (hour + 1) * HOUR)
        story.approve(contactless(10_00))
    stricter = under(SGB, contactless=replace(SGB.contactless, one_payment=5_00))
    window = Window(UnixMs(NOON + since * HOUR), UnixMs(NOON + until * HOUR))
    pairs = pairs_of(story, stricter, window)
    assert len(pairs) == seqs
    refused = [pair for pair in pairs if pair.turn is REFUSED_NOW]
    assert len(refused) == min(seqs, 4)


def test_an_account_of_a_product_without_file() -> None:
    with pytest.raises(ConfigError, match="--products: has no product 'prepaid-bps', which account account is of"):
        pairs_of(opened(BPS), {"none": PRODUCTS["none"]})


@pytest.mark.parametrize(
    "damage",
    [
        lambda rows: rows.pop(1),
        lambda rows: rows.append(replace(rows[0], hash=bytes(32))),
        lambda rows: rows.__setitem__(2, replace(rows[2], decision=rows[2].decision.replace(b"0001", b"0002"))),
    ],
)
def test_a_damaged_journal_is_not_replayed(damage: Callable[[list[Record]], object]) -> None:
    journal = Journal(opened(BPS).journal)
    damage(journal.rows)
    with pytest.raises(DamagedJournalError, match=r"account at [0-9]: the journal is damaged"):
        compare(journal, always(PRODUCTS), Window())


def told(story: Story, products: Products) -> tuple[Report, str]:
    """The report, and the CSV file."""
    file = io.StringIO()
    return compare(Journal(story.journal), always(products), Window(), on_pair=csv_writer(file)), file.getvalue()


def test_what_is_told() -> None:
    """Counts and amounts by product and reason, and a row for each; twice the same bytes."""
    story = opened(SGB, 100_00)
    tap = contactless(60_00)
    story.approve(with_pin(10_00), tap)
    story.reasons(authorization(40_00))
    story.approve(presentment(tap, 60_00))
    stricter = under(SGB, contactless=replace(SGB.contactless, one_payment=50_00))
    report, rows = told(story, stricter)
    assert as_json(report)["groups"] == [
        group("approved now", 40_00, "INSUFFICIENT_FUNDS", ""),
        group("not presented", 60_00, "", ""),
        group("refused now", 60_00, "", "PIN_REQUIRED"),
    ]
    assert (report.requests, report.turns[SAME], report.accounts_otherwise, report.differs) == (9, 6, 1, True)
    heading, *lines = rows.splitlines()
    assert heading.startswith("account,seq,at,turn,product,kind,rrn,amount,currency,was,now,reason_was,")
    assert [line.split(",")[1] for line in lines] == ["7", "8", "9"]
    assert lines[0] == (
        f"account,7,2026-06-15T10:00:00.000Z,refused now,prepaid-sgb,authorization,{tap.origin.rrn},6000,985,6000,"
        'refused,,PIN_REQUIRED,"P §4.4, §10.4, zał.2"'
    )
    assert "prepaid-sgb: refused now: approved -> PIN_REQUIRED: 1  6000 minor units of 985" in list(as_text(report))
    assert (json.dumps(as_json(report)), rows) == (lambda r, c: (json.dumps(as_json(r)), c))(*told(story, stricter))


def group(turn: str, amount: int, was: str, now: str) -> dict[str, object]:
    return {
        "product": "prepaid-sgb", "turn": turn, "reason_was": was, "reason_now": now, "currency": "985", "count": 1,
        "amount": amount,
    }  # fmt: skip


def test_one_account_only() -> None:
    journal = Journal(opened(BPS).journal)
    assert compare(journal, always(PRODUCTS), Window(), "another").accounts == 0
    assert compare(journal, always(PRODUCTS), Window(), "account").requests == 5


def test_requests_that_are_files_are_replayed_too() -> None:
    """A presentment without a message (a clearing file, the API) is a repeat by its idempotency key."""
    story = opened(CREDIT, 500_00)
    paid = with_pin(30_00)
    story.approve(paid)
    claim: Request = replace(presentment(paid, 30_00), idempotency="line 1")
    assert isinstance(claim, Presentment)
    story.approve(replace(claim, origin=replace(claim.origin, stan="")))
    assert turns(story, PRODUCTS) == [SAME, SAME]
