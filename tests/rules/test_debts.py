"""What an account and its cards owe (S §19.2, §26.1-5)."""

from __future__ import annotations

import pytest
from given import BPS, CREDIT, MANY, account, card
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authsvc.model import Account, CardId, Minor, PostingKind
from authsvc.products import Product
from authsvc.rules import debts

FIRST, SECOND = CardId("first"), CardId("second")
PURCHASE, CASH, FEE, INTEREST, LOAD = (
    PostingKind.PURCHASE, PostingKind.CASH, PostingKind.FEE, PostingKind.INTEREST, PostingKind.LOAD,
)  # fmt: skip


def after_posting(
    start: Account, card_: CardId, amount: int, product: Product, kind: PostingKind = PURCHASE
) -> tuple[Minor, dict[CardId, Minor]]:
    owing = debts.after(start, card_, kind, amount, product)
    return owing.balance, owing.debts


def after_payment(start: Account, amount: int, product: Product) -> tuple[Minor, dict[CardId, Minor]]:
    return after_posting(start, CardId(""), -amount, product, LOAD)


def owing(first: int, second: int, product: Product = CREDIT) -> Account:
    """An account that owes what its two cards owe."""
    cards = (card("first", debt=Minor(first)), card("second", debt=Minor(second)))
    owed = {PURCHASE: Minor(first + second)} if first + second else {}
    return replace(account(product, MANY, *cards), balance=Minor(-first - second), owed=owed)


def test_a_prepaid_account_has_a_balance_and_no_debts() -> None:
    """W §14.13: the balance may fall below zero, and no card owes anything."""
    start = account(BPS, 50_00)
    assert after_posting(start, CardId("card"), Minor(80_00), BPS) == (-30_00, {})
    assert after_payment(start, Minor(80_00), BPS) == (130_00, {})


def test_a_posting_is_owed_by_its_card() -> None:
    """S §19.2: of the individual limit it takes, not of another card's."""
    assert after_posting(owing(10_00, 20_00), SECOND, Minor(5_00), CREDIT) == (-35_00, {SECOND: 25_00})


def test_an_overpayment_goes_towards_the_next_debt() -> None:
    """S §26.5: only what is above it is owed."""
    start = replace(owing(0, 0), balance=Minor(30_00))
    assert after_posting(start, FIRST, Minor(20_00), CREDIT) == (10_00, {})
    assert after_posting(start, FIRST, Minor(50_00), CREDIT) == (-20_00, {FIRST: 20_00})


def test_a_payment_lowers_the_debts_in_the_order_of_issue() -> None:
    """S §26.4: each payment lowers the debt and gives room in the limits again."""
    start = owing(10_00, 20_00)
    assert after_payment(start, Minor(4_00), CREDIT) == (-26_00, {FIRST: 6_00})
    assert after_payment(start, Minor(15_00), CREDIT) == (-15_00, {FIRST: 0, SECOND: 15_00})
    assert after_payment(start, Minor(40_00), CREDIT) == (10_00, {FIRST: 0, SECOND: 0})


def test_money_given_for_a_card_pays_off_that_card_first() -> None:
    """A refund, or a posting reversed (S §26.4)."""
    start = owing(10_00, 20_00)
    assert after_posting(start, SECOND, Minor(-15_00), CREDIT) == (-15_00, {SECOND: 5_00})
    assert after_posting(start, SECOND, Minor(-25_00), CREDIT) == (-5_00, {SECOND: 0, FIRST: 5_00})


@pytest.mark.parametrize(
    ("owed", "paid", "left"),
    [
        ({PURCHASE: 50_00, CASH: 30_00, FEE: 5_00, INTEREST: 2_00}, 2_00, {PURCHASE: 50_00, CASH: 30_00, FEE: 5_00}),
        ({PURCHASE: 50_00, CASH: 30_00, FEE: 5_00, INTEREST: 2_00}, 10_00, {PURCHASE: 47_00, CASH: 30_00}),
        ({PURCHASE: 50_00, CASH: 30_00}, 60_00, {CASH: 20_00}),
        ({PURCHASE: 50_00, CASH: 30_00}, 90_00, {}),
    ],
)
def test_payments_settle_the_debt_in_its_order(
    owed: dict[PostingKind, int], paid: int, left: dict[PostingKind, int]
) -> None:
    """S §41.2, §29.4: interest before fees before purchases before cash; no two kinds at once."""
    total = sum(owed.values())
    start = replace(owing(total, 0), owed={kind: Minor(amount) for kind, amount in owed.items()})
    assert debts.after(start, CardId(""), LOAD, -paid, CREDIT).owed == left


def test_money_given_back_settles_its_own_kind_first() -> None:
    """A withdrawal that is reversed was not owed in the first place."""
    start = replace(owing(80_00, 0), owed={PURCHASE: Minor(50_00), CASH: Minor(30_00)})
    assert debts.after(start, FIRST, CASH, -30_00, CREDIT).owed == {PURCHASE: 50_00}


AMOUNTS = st.integers(0, 1_000_00)
KINDS = st.sampled_from([PURCHASE, CASH, FEE, INTEREST])
STEPS = st.lists(st.tuples(st.sampled_from([FIRST, SECOND, None]), st.integers(-500_00, 500_00), KINDS), max_size=30)


@given(first=AMOUNTS, second=AMOUNTS, steps=STEPS)
def test_the_cards_owe_what_the_account_owes(
    first: int, second: int, steps: list[tuple[CardId | None, int, PostingKind]]
) -> None:
    """Always: debts by card and by kind add up to the negative balance, and none is below zero (S §26.1)."""
    start = owing(first, second)
    for by, amount, kind in steps:
        if by is None:
            owing_ = debts.after(start, CardId(""), LOAD, -abs(amount), CREDIT)
        else:
            owing_ = debts.after(start, by, kind, amount, CREDIT)
        cards = {name: replace(one, debt=owing_.debts.get(name, one.debt)) for name, one in start.cards.items()}
        start = replace(start, balance=owing_.balance, cards=cards, owed=owing_.owed)
        assert all(one.debt >= 0 for one in cards.values())
        assert all(left > 0 for left in start.owed.values())
        assert sum(one.debt for one in cards.values()) == sum(start.owed.values()) == max(0, -start.balance)
