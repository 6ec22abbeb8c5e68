"""Money in, and the bank's own charges (S §26.4-5, §29.4, §30, §41.2; W §11, §21.3; P §9.3, §17.6)."""

from __future__ import annotations

from typing import Any

import pytest
from given import ALL, BPS, CREDIT, SGB, Story, account, card, financial, ids, reason

from authsvc.model import AccountId, CardId, Charge, Load, Minor, Posted, PostingKind, Reason
from authsvc.products import Product


def charge(amount: int = 7_00, kind: PostingKind = PostingKind.FEE, **but: Any) -> Charge:
    return Charge(AccountId("account"), kind.value, Minor(amount), "card fee", **but)


def load(amount: int) -> Load:
    return Load(AccountId("account"), Minor(amount), "transfer in")


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_fee_is_taken_into_the_red(product: Product) -> None:
    """S §30.1, §30.3: also above the credit limit; W §21.3, P §17.6: also when there is no money. No limit counts it."""
    story = Story(product, account(product, 0))
    story.approve(charge(7_00))
    assert (story.account.balance, story.used) == (-7_00, (0, 0, 0))
    assert story.account.owed == ({PostingKind.FEE: 7_00} if product is CREDIT else {})


@pytest.mark.parametrize("product", [BPS, SGB], ids=ids)
def test_a_top_up_raises_the_balance(product: Product) -> None:
    """W §11.1-2, P §9.3; what was in the red is settled by it (W §21.3)."""
    story = Story(product, account(product, 0))
    story.approve(charge(7_00), load(100_00))
    assert story.account.balance == 93_00


def test_a_repayment_settles_the_debt_in_its_order() -> None:
    """S §29.4, §41.2: interest, fees, purchases; what is above the debt is an overpayment (S §26.5)."""
    story = Story(CREDIT)
    story.approve(financial(60_00), charge(7_00), charge(3_00, PostingKind.INTEREST), load(5_00))
    assert story.account.owed == {PostingKind.PURCHASE: 60_00, PostingKind.FEE: 5_00}
    story.approve(load(100_00))
    assert (story.account.owed, story.account.balance, story.card.debt) == ({}, 35_00, 0)


def test_a_charge_can_be_one_card_s() -> None:
    """S §19.2: of its individual limit it takes."""
    story = Story(CREDIT, account(CREDIT, 1_000_00, card(), card("second")))
    story.approve(charge(7_00, card=CardId("second")))
    assert (story.card.debt, story.account.cards[CardId("second")].debt) == (0, 7_00)


@pytest.mark.parametrize(
    ("command", "then"),
    [
        (charge(60_00, PostingKind.WRITE_OFF), None),
        (charge(60_01, PostingKind.WRITE_OFF), Reason.NOT_ALLOWED),  # more than is owed
        (charge(1_00, PostingKind.PURCHASE), Reason.NOT_ALLOWED),
        (charge(1_00, PostingKind.LOAD), Reason.NOT_ALLOWED),
        (charge(1_00, card=CardId("nobody's")), Reason.NOT_ALLOWED),
    ],
)
def test_what_can_be_charged(command: Charge, then: Reason | None) -> None:
    """S §30.1: fees, commissions, interest, costs; and a debt can be given up."""
    story = Story(CREDIT)
    story.approve(financial(60_00))
    assert reason(story.send(command)) is then
    if then is None:
        assert (story.account.balance, story.card.debt, story.account.owed) == (0, 0, {})


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_every_movement_has_entries_that_sum_to_what_it_moved(product: Product) -> None:
    """Double entry: what the cardholder's side gets or gives is the change of the balance."""
    story = Story(product)
    before = story.account.balance
    story.approve(financial(60_00), charge(7_00), load(5_00))
    moved = [change for change in story.posted if isinstance(change, Posted)]
    for change in moved:
        for_holder = sum(leg.amount * (1 if leg.credit == "cardholder" else -1) for leg in change.legs)
        assert for_holder == -change.posting.amount
        assert change.balance - before == for_holder
        before = change.balance
