"""Cashback, deposits, refunds, PIN change, partial approval: what is offered besides paying, and lawful here."""

from __future__ import annotations

from typing import Any

import pytest
from given import (
    ALL,
    ATM,
    BPS,
    CREDIT,
    GERMANY,
    MINOR_SGB,
    NOON,
    SGB,
    Story,
    account,
    authorization,
    card,
    cashback,
    changes_of,
    code,
    contactless,
    financial,
    ids,
    increment,
    limits,
    online,
    origin,
    reason,
    reversal,
    withdrawal,
)

from authsvc.model import Authorization, Entry, Kind, Minor, Pin, PinChanged, Reason
from authsvc.products import Product

# ------------------------------------------------------------------------------------------------------ cashback

NOT_ALLOWED, ABOVE = Reason.CASHBACK_NOT_ALLOWED, Reason.CASHBACK_ABOVE_MAXIMUM


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_cashback_is_offered_by_w_alone(product: Product) -> None:
    """S §13.1 and P §4.2 list what the card is for; W §8.7 has cashback."""
    decision = Story(product).send(cashback(60_00, 50_00))
    assert (reason(decision), code(decision)) == ((None, "00") if product is BPS else (NOT_ALLOWED, "57"))


@pytest.mark.parametrize(
    ("amount", "cash", "but", "then", "de39"),
    [
        (1_001_00, 1_000_00, {}, None, "00"),
        (1_001_01, 1_000_01, {}, ABOVE, "61"),
        (50_00, 50_00, {}, NOT_ALLOWED, "57"),  # nothing was bought
        (50_01, 50_00, {}, None, "00"),
        (60_00, 50_00, {"country": GERMANY}, NOT_ALLOWED, "57"),
        (60_00, 50_00, {"currency": "978"}, NOT_ALLOWED, "57"),
        (60_00, 50_00, {"entry": Entry.ECOMMERCE, "condition": "59"}, NOT_ALLOWED, "57"),
        (60_00, 50_00, {"mcc": ATM}, NOT_ALLOWED, "57"),
        (60_00, 0, {}, Reason.FORMAT_ERROR, "30"),  # how much of it is cash, nobody said
        (60_00, 60_01, {}, Reason.FORMAT_ERROR, "30"),
    ],
)
def test_cashback_is_lawful(amount: int, cash: int, but: dict[str, Any], then: Reason | None, de39: str) -> None:
    """Up to 1 000.00 each, in PLN, in Poland, only with a purchase (W §2, §8.7, §10.1.3)."""
    decision = Story(BPS).send(cashback(amount, cash, **but))
    assert (reason(decision), code(decision)) == (then, de39)


def test_cashback_is_split_between_the_limits() -> None:
    """The goods count as cashless, the cash as cash, once each (W §10.1.1-2); all of it is held."""
    story = Story(BPS)
    story.approve(cashback(300_00, 200_00))
    assert (story.used, story.counts, story.held) == ((200_00, 100_00, 0), (1, 1, 0), 300_00)


@pytest.mark.parametrize(
    ("cash", "cashless", "then"),
    [
        (199_99, 100_00, Reason.CASH_LIMIT),
        (200_00, 99_99, Reason.CASHLESS_LIMIT),
        (200_00, 100_00, None),
        (0, 100_00, Reason.CHANNEL_OFF),
        (200_00, 0, Reason.CHANNEL_OFF),
    ],
)
def test_each_part_needs_its_own_limit(cash: int, cashless: int, then: Reason | None) -> None:
    """W §10.1: the cash of a cashback is within the cash limit; a limit of zero switches its part off (W §10.2)."""
    start = account(BPS, 1_000_00, card(limits=limits(cash=cash, cashless=cashless)))
    assert reason(Story(BPS, start).send(cashback(300_00, 200_00))) is then


@pytest.mark.parametrize(
    ("becomes", "held", "used", "counts"),
    [
        (None, 0, (0, 0, 0), (0, 0, 0)),
        (100_00, 100_00, (0, 100_00, 0), (1, 1, 0)),  # the till was empty
        (250_00, 250_00, (150_00, 100_00, 0), (1, 1, 0)),
        (40_00, 40_00, (0, 40_00, 0), (1, 1, 0)),
    ],
)
def test_a_reversal_restores_both_parts(
    becomes: int | None, held: int, used: tuple[int, int, int], counts: tuple[int, int, int]
) -> None:
    """The cash goes back first: there is no cashback without a purchase (W §8.7)."""
    story, paid = Story(BPS), cashback(300_00, 200_00)
    story.approve(paid, reversal(paid, becomes))
    assert (story.held, story.used, story.counts) == (held, used, counts)


def test_a_cashback_reversed_step_by_step_leaves_nothing() -> None:
    """First its cash, then the rest: both counts are free again (found by the model in test_money_model)."""
    story, paid = Story(BPS), cashback(300_00, 200_00)
    story.approve(paid, reversal(paid, 50_00), reversal(paid))
    assert (story.used, story.counts) == ((0, 0, 0), (0, 0, 0))


def test_an_increment_of_a_cashback_goes_back_before_its_cash() -> None:
    """The newest first; the cash was paid out with the original (found by the model in test_money_model)."""
    story, paid = Story(BPS), cashback(300_00, 200_00)
    story.approve(paid, increment(paid, 40_00), reversal(paid, 310_00))
    assert story.used == (200_00, 110_00, 0)


# ------------------------------------------------------------------------------------------------------ deposits


def deposit(amount: int = 500_00, **but: Any) -> Authorization:
    return authorization(amount, **{"kind": Kind.DEPOSIT, "mcc": ATM, "pin": Pin.RIGHT, **but})


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_deposits_at_machines_are_offered_by_w_alone(product: Product) -> None:
    """W §11.1; S §13.1 and P §9.3 name no machine that takes money."""
    decision = Story(product).send(deposit())
    assert (reason(decision), code(decision)) == ((None, "00") if product is BPS else (Reason.CHANNEL_OFF, "57"))


@pytest.mark.parametrize(
    ("but", "then"),
    [
        ({"mcc": "5411"}, Reason.CHANNEL_OFF),
        ({"currency": "978"}, Reason.CHANNEL_OFF),  # "w polskich złotych"
        ({"pin": Pin.ABSENT}, Reason.PIN_REQUIRED),
        ({"pin": Pin.WRONG}, Reason.PIN_WRONG),
    ],
)
def test_a_deposit_is_made_at_an_atm_in_pln_with_pin(but: dict[str, Any], then: Reason) -> None:
    """W §11.3."""
    assert reason(Story(BPS).send(deposit(**but))) is then


def test_a_deposit_raises_nothing_until_it_is_posted() -> None:
    """An 0100 only asks; an 0200 is the deposit (W §11.2): no hold, no limit used, the balance higher by all of it."""
    story = Story(BPS, account(BPS, 100_00, card(limits=limits(cash=1))))
    story.approve(deposit())
    assert (story.account.balance, story.held, story.used) == (100_00, 0, (0, 0, 0))
    paid_in = deposit(origin=origin("0200"))
    story.approve(paid_in)
    assert (story.account.balance, story.held, story.used) == (600_00, 0, (0, 0, 0))
    story.approve(reversal(paid_in, mti="0420"))
    assert story.account.balance == 100_00


# ------------------------------------------------------------------------------------------------------ refunds


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize("entry", [Entry.CHIP, Entry.CONTACTLESS_CHIP, Entry.ECOMMERCE])
def test_a_refund_needs_neither_sca_nor_funds_and_raises_nothing(product: Product, entry: Entry) -> None:
    """No hold, no limit, no funds until it is presented (rulebook section 4; S §26.4)."""
    story = Story(product, account(product, 0, card(limits=limits(0, 0, 0))))
    decision = story.send(authorization(900_00, kind=Kind.REFUND, entry=entry))
    assert code(decision) == "00"
    assert decision.answer is not None
    assert len(decision.answer.authorization_code) == 6
    assert (story.held, story.account.balance, story.used) == (0, 0, (0, 0, 0))


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_refund_by_0200_is_given_at_once(product: Product) -> None:
    story = Story(product)
    before = story.account.balance
    story.approve(financial(30_00, kind=Kind.REFUND))
    assert story.account.balance == before + 30_00
    assert story.posted[-1].posting.amount == -30_00


def test_a_refund_in_a_foreign_currency_is_bought() -> None:
    """P §17.1: money that comes in is converted at the buying rate."""
    story = Story(SGB)
    before = story.account.balance
    story.approve(financial(10_00, kind=Kind.REFUND, currency="978"))
    assert story.account.balance == before + 42_10


# --------------------------------------------------------------------------------------------------- PIN change


def pin_change(**but: Any) -> Authorization:
    usual = {"kind": Kind.PIN_CHANGE, "mcc": ATM, "pin": Pin.RIGHT, "new_pvv": "4711"}
    return authorization(0, **{**usual, **but})


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_the_pin_is_changed_at_an_atm_with_the_old_one(product: Product) -> None:
    """S §13.2, W §8.6, §13.5.1, P §7.5: approved, nothing held, and the next PIN is the new one."""
    story = Story(product)
    decision = story.send(pin_change())
    assert code(decision) == "00"
    assert changes_of(decision, PinChanged) == [PinChanged(story.card.id, "4711")]
    assert (story.card.pvv, story.held) == ("4711", 0)


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(
    ("but", "then", "visa", "mastercard"),
    [
        ({"pin": Pin.ABSENT}, Reason.PIN_REQUIRED, "70", "65"),
        ({"pin": Pin.WRONG}, Reason.PIN_WRONG, "55", "55"),
        ({"mcc": "5411"}, Reason.CHANNEL_OFF, "57", "57"),
    ],
)
def test_not_without_it_and_not_elsewhere(
    product: Product, but: dict[str, Any], then: Reason, visa: str, mastercard: str
) -> None:
    """S §13.2, W §13.5-6, P §7.5: "w bankomatach"."""
    story = Story(product)
    decision = story.send(pin_change(**but))
    assert (reason(decision), code(decision)) == (then, visa if product is CREDIT else mastercard)
    assert story.card.pvv == "1234"


def test_without_a_new_pin_only_the_old_one_is_checked() -> None:
    """Some machines ask first and send the new PIN (DE125) in a second message."""
    story = Story(SGB)
    assert code(story.send(pin_change(new_pvv=""))) == "00"
    assert story.card.pvv == "1234"


# -------------------------------------------------------------------------------------------- partial approval


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_part_is_approved_where_the_terminal_takes_one(product: Product) -> None:
    """Rule 13: what there is, DE39 10, the approved amount in DE4; it alone is held and counted."""
    story = Story(product, account(product, 70_00))
    decision = story.send(authorization(100_00, takes_part=True))
    assert decision.answer is not None
    assert (decision.answer.response_code, decision.answer.amount) == ("10", 70_00)
    assert (story.held, story.used) == (70_00, (0, 70_00, 0))


@pytest.mark.parametrize(
    ("funds", "but", "de39"),
    [
        (70_00, {"takes_part": False}, "51"),
        (0, {"takes_part": True}, "51"),  # of nothing there is no part
        (100_00, {"takes_part": True}, "00"),
        (70_00, {"takes_part": True, "kind": Kind.CASH, "mcc": ATM, "pin": Pin.RIGHT}, "51"),
        (70_00, {"takes_part": True, "kind": Kind.QUASI_CASH}, "51"),
        (70_00, {"takes_part": True, "kind": Kind.PRE_AUTHORIZATION}, "51"),
        (70_00, {"takes_part": True, "currency": "978"}, "51"),  # DE4 is in another currency
        (70_00, {"takes_part": True, "kind": Kind.CASHBACK, "cash": Minor(10_00), "pin": Pin.RIGHT}, "51"),
    ],
)
def test_only_a_purchase_in_zloty_is_approved_in_part(funds: int, but: dict[str, Any], de39: str) -> None:
    """Rule 13: "and it is a purchase"."""
    assert code(Story(BPS, account(BPS, funds)).send(authorization(100_00, **but))) == de39


def test_the_day_limit_is_no_ground_for_a_part() -> None:
    """Rule 12 comes first and looks at the whole amount."""
    start = account(SGB, 1_000_00, card(limits=limits(cashless=50_00)))
    assert reason(Story(SGB, start).send(authorization(60_00, takes_part=True))) is Reason.CASHLESS_LIMIT


def test_only_the_part_counts_without_sca() -> None:
    """What was approved goes into the contactless total, not what was asked for (S §15.1.4)."""
    story = Story(CREDIT, account(CREDIT, 20_00))
    story.approve(contactless(50_00, takes_part=True))
    assert story.counters.contactless == 20_00
    story.approve(reversal(story.journal[0].request))  # type: ignore[arg-type]
    assert (story.counters.contactless, story.held) == (0, 0)


# ------------------------------------------------------------------------------------- what was there already


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_quasi_cash_is_cash(product: Product) -> None:
    """Casino chips, money orders: by DE3 or by MCC, they count as cash (rulebook section 5)."""
    story = Story(product)
    story.approve(authorization(10_00, kind=Kind.QUASI_CASH), authorization(20_00, mcc="6051"))
    assert story.used == (30_00, 0, 0)


@pytest.mark.parametrize("product", [CREDIT, MINOR_SGB], ids=ids)
def test_an_inquiry_and_a_verification_hold_nothing(product: Product) -> None:
    """Rulebook section 4; the balance is in DE54."""
    story = Story(product, account(product, 88_00))
    asked = story.send(withdrawal(0, kind=Kind.BALANCE_INQUIRY))
    assert asked.answer is not None
    assert asked.answer.available == 88_00
    assert code(story.send(online(0, kind=Kind.VERIFICATION))) == "85"
    assert (story.held, story.used) == (0, (0, 0, 0))
    assert story.now == NOON
