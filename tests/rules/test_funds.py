"""Rule 13: money. Prepaid: balance less holds. Credit: the smaller of two rooms."""

from __future__ import annotations

import pytest
from given import (
    ALL,
    CREDIT,
    HOUR,
    MC,
    NOON,
    Story,
    account,
    authorization,
    card,
    code,
    hold,
    ids,
    reason,
    warsaw,
    withdrawal,
)

from authsvc.model import AccountId, CardId, Kind, Load, Minor, Reason, UnixMs
from authsvc.products import Product
from authsvc.rules.decide import decide
from authsvc.rules.funds import account_room, card_room, held, held_by, individual_room

NO_MONEY, NO_CREDIT, NO_INDIVIDUAL = Reason.INSUFFICIENT_FUNDS, Reason.CREDIT_LIMIT, Reason.INDIVIDUAL_LIMIT


@pytest.mark.parametrize("product", MC, ids=ids)
@pytest.mark.parametrize(
    ("balance", "holds", "asked", "then"),
    [
        (100_00, (), 100_00, None),  # to the last grosz
        (100_00, (), 100_01, NO_MONEY),
        (100_00, (40_00,), 60_00, None),
        (100_00, (40_00, 60_00), 1, NO_MONEY),
        (0, (), 1, NO_MONEY),
        (-10_00, (), 1, NO_MONEY),  # overdrawn by a late presentment
    ],
)
def test_prepaid(product: Product, balance: int, holds: tuple[int, ...], asked: int, then: Reason | None) -> None:
    """A prepaid card pays from the balance less what is held (W §10.1, §14.12, §14.15.1, P §9.1.2, §10.1, §10.10)."""
    start = account(product, balance, holds=tuple(hold(amount, number) for number, amount in enumerate(holds)))
    decision = decide(authorization(asked), start, product, NOON)
    assert (reason(decision), code(decision)) == (then, "00" if then is None else "51")


TWO_CARDS = (card("card", individual_limit=600_00), card("other", individual_limit=400_00))


@pytest.mark.parametrize(
    ("balance", "debt", "held_on_card", "held_on_other", "asked", "then"),
    [
        (0, 0, 0, 0, 600_00, None),
        (0, 0, 0, 0, 600_01, NO_INDIVIDUAL),
        (0, 0, 250_00, 0, 350_00, None),
        (0, 0, 250_00, 0, 350_01, NO_INDIVIDUAL),
        (0, 0, 0, 400_00, 600_00, None),  # the other card's holds are in the credit limit only
        (-500_00, 100_00, 0, 0, 500_00, None),
        (-500_00, 100_00, 0, 0, 500_01, NO_CREDIT),  # both rooms are equal: the account is named
        (-700_00, 100_00, 0, 0, 300_01, NO_CREDIT),
        (-100_00, 100_00, 0, 0, 500_01, NO_INDIVIDUAL),
        (-900_00, 0, 0, 200_00, 1, NO_CREDIT),  # over the limit by a late presentment
        (200_00, 0, 0, 0, 600_00, None),
        (200_00, 0, 0, 0, 600_01, NO_INDIVIDUAL),  # what is overpaid raises no limit (S §26.5)
    ],
)
def test_credit(
    balance: int, debt: int, held_on_card: int, held_on_other: int, asked: int, then: Reason | None
) -> None:
    """A credit card pays within its own limit and the account's, less debt and holds (S §2.26-27, §19.2, §26.3, §27.5.1)."""
    card_, other = TWO_CARDS
    owing = card("card", individual_limit=card_.individual_limit, debt=Minor(debt))
    holds = (hold(held_on_card, 1), hold(held_on_other, 2, card="other"))
    start = account(CREDIT, 1_000_00, owing, other, balance=Minor(balance), holds=holds)
    decision = decide(authorization(asked), start, CREDIT, NOON)
    assert (reason(decision), code(decision)) == (then, "00" if then is None else "51")


def test_rooms() -> None:
    """Account: limit, balance, all holds. Card: its limit, its debt, its holds. The smaller one is what it can pay."""
    owing = card("card", individual_limit=600_00, debt=100_00)
    holds = (hold(50_00, 1), hold(70_00, 2, card="other"))
    start = account(CREDIT, 1_000_00, owing, TWO_CARDS[1], balance=Minor(-300_00), holds=holds)
    assert (held(start, NOON), held_by(start, CardId("card"), NOON)) == (120_00, 50_00)
    assert (account_room(start, NOON), individual_room(start, owing, NOON)) == (580_00, 450_00)
    assert card_room(start, owing, CREDIT, NOON) == 450_00


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2026-06-22 11:59:59.999", 0),
        ("2026-06-22 12:00", 100_00),
        ("2027-01-01 00:00", 100_00),
    ],
)
def test_a_hold_binds_money_for_seven_days(product: Product, now: str, then: int) -> None:
    """Money is held for seven days and then free again, without anybody doing anything (W §14.13, P §10.2, §10.9)."""
    start = account(product, 100_00, card(individual_limit=100_00), holds=(hold(100_00),))
    moment = warsaw(now)
    assert card_room(start, start.cards[CardId("card")], product, moment) == then
    refused = NO_CREDIT if product is CREDIT else NO_MONEY
    assert reason(decide(authorization(100_00), start, product, moment)) is (None if then else refused)


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_what_is_paid_in_can_be_paid_out(product: Product) -> None:
    """A load is there at once; at a credit card it makes room in the account (W §11, P §9.3, S §26.4)."""
    story = Story(product, account(product, 0, card(individual_limit=50_00)))
    assert reason(story.send(authorization(50_00))) in (NO_MONEY, NO_CREDIT)
    story.approve(Load(AccountId("account"), Minor(50_00), "transfer"), authorization(50_00))
    assert account_room(story.account, story.now) == 0


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_the_balance_inquiry_tells_what_this_card_can_pay(product: Product) -> None:
    """An ATM tells the available funds and holds nothing; a credit card is told the smaller room (section 4, S §19.2)."""
    start = account(product, 500_00, card(individual_limit=300_00), holds=(hold(100_00),))
    decision = decide(withdrawal(0, kind=Kind.BALANCE_INQUIRY), start, product, NOON)
    assert decision.answer is not None
    assert decision.answer.available == (200_00 if product is CREDIT else 400_00)
    assert decision.outcome.hold == ""  # type: ignore[union-attr]


def test_a_clock_far_ahead_frees_everything() -> None:
    """Expired holds bind nothing, however many there are."""
    start = account(MC[1], 100_00, holds=tuple(hold(10_00, number) for number in range(10)))
    assert account_room(start, UnixMs(NOON + 8 * 24 * HOUR)) == 100_00


def test_a_card_whose_name_is_empty_replaces_nobody() -> None:
    """No card of ours is called so, but rules must come to an end whatever they are given: it had itself for a predecessor."""
    nameless = CardId("")
    start = account(cards={nameless: card(id=nameless, individual_limit=Minor(5_00))}, credit_limit=Minor(9_00))
    assert individual_room(start, start.cards[nameless], NOON) == 5_00
