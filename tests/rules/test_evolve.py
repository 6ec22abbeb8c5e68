"""evolve: each change, and nothing but the change."""

from __future__ import annotations

import pytest
from given import NOON, SGB, Story, account, authorization, card, contactless, hold, origin, reversal, wrong_pin
from msgspec.structs import replace

from authsvc.model import (
    Account,
    AccountId,
    AccountOpened,
    CardCaptured,
    CardId,
    CardSet,
    CardStatus,
    Change,
    Counters,
    CountersSet,
    Day,
    EarlyReversal,
    HoldEnd,
    HoldEnded,
    HoldId,
    HoldIncreased,
    HoldPlaced,
    HoldReduced,
    Increment,
    Key,
    KeyRemembered,
    Minor,
    Original,
    PinChanged,
    Posted,
    Posting,
    PostingId,
    PostingKind,
    PostingReduced,
    ReversalRemembered,
    ReversalsForgotten,
    UnixMs,
    holds_of,
    numbers_of,
    postings_of,
)
from authsvc.rules.evolve import apply, evolve, fold

CARD = CardId("card")
ONE, TWO, THREE = hold(10_00, 1), hold(20_00, 2), hold(30_00, 3)
EARLY = [EarlyReversal(CardId("card"), Original(rrn=str(n)), "", "", UnixMs(n)) for n in range(3)]
START = replace(account(SGB, 100_00), holds=holds_of((ONE, TWO)), early_reversals=(EARLY[0], EARLY[1]), at=NOON)
OLD = Posting(PostingId("old"), CARD, PostingKind.PURCHASE, Minor(3), NOON, origin())
FEE = Posting(PostingId("fee"), CARD, PostingKind.FEE, Minor(7), NOON, origin())
OWED = {PostingKind.FEE: Minor(7)}
MORE = Increment(origin(), Minor(2_00), Day("2026-06-15"))
START = replace(START, posted=postings_of([OLD]))
START = replace(START, recent_keys=numbers_of([1, 2]), recent_at=numbers_of([10, 20]), recent_since=UnixMs(5))


@pytest.mark.parametrize(
    ("change", "then"),
    [
        (AccountOpened("prepaid-bps", Minor(5), "me"), {"product": "prepaid-bps", "credit_limit": 5, "holder": "me"}),
        (
            Posted(FEE, Minor(-7), (), {CARD: Minor(7)}, OWED, 0),
            {"balance": -7, "posted": (OLD, FEE), "owed": OWED, "cards": {CARD: card(debt=Minor(7))}},
        ),
        (Posted(FEE, Minor(-7), (), forget=1), {"balance": -7, "posted": (FEE,)}),
        (
            PostingReduced(replace(OLD, amount=Minor(1)), Minor(2), Minor(9), ()),
            {"balance": 9, "posted": (replace(OLD, amount=Minor(1)),)},
        ),
        (PostingReduced(FEE, Minor(2), Minor(9), ()), {"balance": 9, "posted": (OLD, FEE)}),  # it had left before
        (
            HoldIncreased(ONE.id, Minor(12_00), MORE),
            {"holds": (replace(ONE, amount=Minor(12_00), increments=(MORE,)), TWO)},
        ),
        (PinChanged(CARD, "9999"), {"cards": {CARD: card(pvv="9999")}}),
        (CardSet(card("new")), {"cards": {CARD: card(), "new": card("new")}}),
        (CardSet(card(last4="9999")), {"cards": {CARD: card(last4="9999")}}),
        (CountersSet(CARD, Counters(scas=4)), {"cards": {CARD: card(counters=Counters(scas=4))}}),
        (CardCaptured(CARD), {"cards": {CARD: card(status=CardStatus.CAPTURED)}}),
        (HoldPlaced(THREE), {"holds": (ONE, TWO, THREE)}),
        (HoldReduced(ONE.id, Minor(1)), {"holds": (replace(ONE, amount=Minor(1)), TWO)}),
        (HoldEnded(ONE.id, HoldEnd.REVERSED, NOON), {"holds": (TWO,)}),
        (HoldEnded(HoldId("gone"), HoldEnd.EXPIRED, NOON), {}),
        (ReversalRemembered(EARLY[2]), {"early_reversals": tuple(EARLY)}),
        (ReversalsForgotten(1), {"early_reversals": (EARLY[1],)}),
        (KeyRemembered(Key(3)), {"recent_keys": (1, 2, 3), "recent_at": (10, 20, NOON)}),
        (KeyRemembered(Key(3), 1, UnixMs(11)), {"recent_keys": (2, 3), "recent_at": (20, NOON), "recent_since": 11}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_one_fact(change: Change, then: dict[str, object]) -> None:
    """Each change sets what it names and leaves the rest as it was (law 2: facts, never rules)."""
    assert apply(START, change) == replace(START, **then)


def test_a_decision_moves_number_and_time() -> None:
    """After a decision the account carries its number and its time."""
    story = Story(SGB)
    decision = story.send(authorization())
    assert (story.account.seq, story.account.at) == (decision.seq, decision.at) == (2, NOON)


@pytest.mark.parametrize("wrong", [{"seq": 3}, {"seq": 1}, {"account": AccountId("other")}])
def test_only_the_next_decision_of_this_account(wrong: dict[str, object]) -> None:
    """A decision that is not the next one of this account is a bug of ours, found at once (law 3)."""
    story = Story(SGB)
    before = story.account
    decision = story.send(authorization())
    with pytest.raises(AssertionError):
        evolve(before, replace(decision, **wrong))


def test_nothing_folds_to_a_new_account() -> None:
    """An account without decisions is an empty one."""
    assert fold(AccountId("account"), []) == Account(id=AccountId("account"))


def test_a_journal_folds_to_the_same_account_under_other_rules() -> None:
    """A decision carries facts: folding never looks into a product file (law 2)."""
    story, paid = Story(SGB), contactless(50_00)
    start = story.account
    story.send(paid)
    story.send(wrong_pin())
    story.send(reversal(paid, becomes=20_00))
    state = start
    for decision in story.journal:
        state = evolve(state, replace(decision, product="a product that is gone"))
    assert state == story.account
