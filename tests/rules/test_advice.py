"""0120: it happened already. Recorded, held, counted, never refused (rulebook section 4, "Advice")."""

from __future__ import annotations

from typing import Any

import pytest
from given import (
    ALL,
    ATM,
    BPS,
    CREDIT,
    MINOR_SGB,
    SGB,
    Story,
    account,
    advice,
    card,
    code,
    hold,
    ids,
    limits,
    online,
    origin,
    presentment,
    reason,
    reversal,
)
from msgspec.structs import replace

from authsvc.model import AccountStatus, CardId, CardStatus, Counters, Entry, Kind, Pin, Reason, VirtualId
from authsvc.products import Product
from authsvc.rules.approve import MAX_OPEN_HOLDS

TAP = {"entry": Entry.CONTACTLESS_CHIP}


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(
    "start",
    [
        {"limits": limits(0, 0, 0)},
        {"limits": limits(cashless=1)},
        {"status": CardStatus.STOLEN},
        {"status": CardStatus.INACTIVE},
        {"expiry": "2512"},
        {"counters": Counters(pin_failures=3)},
        {"contactless_enabled": False},
    ],
    ids=lambda start: "-".join(start),
)
def test_it_is_forced(product: Product, start: dict[str, Any]) -> None:
    """Over limits, funds, blocks: it is done, so it is held and counted."""
    story = Story(product, account(product, 0, card(**start)))
    decision = story.send(advice(900_00))
    assert (reason(decision), code(decision)) == (None, "00")
    assert (story.held, story.used, story.counts) == (900_00, (0, 900_00, 0), (0, 1, 0))


@pytest.mark.parametrize("status", [AccountStatus.CLOSED, AccountStatus.HOLDER_DECEASED])
def test_a_closed_account_does_not_undo_it(status: AccountStatus) -> None:
    story = Story(BPS, account(BPS, 0, status=status))
    assert code(story.send(advice(10_00))) == "00"
    assert story.held == 10_00


@pytest.mark.parametrize(
    ("but", "used"),
    [
        ({"kind": Kind.CASH, "mcc": ATM}, (50_00, 0, 0)),
        ({}, (0, 50_00, 0)),
        ({"entry": Entry.ECOMMERCE, "condition": "59"}, (0, 50_00, 50_00)),
        ({"kind": Kind.CASHBACK, "cash": 20_00}, (20_00, 30_00, 0)),
    ],
)
def test_it_counts_into_the_limits_of_its_kind(but: dict[str, Any], used: tuple[int, int, int]) -> None:
    story = Story(BPS)
    story.approve(advice(50_00, **but))
    assert (story.used, story.held) == (used, 50_00)


@pytest.mark.parametrize("answered", ["05", "51", "55", "N7"])
def test_of_a_refusal_elsewhere_nothing_is_held(answered: str) -> None:
    """The stand-in refused (DE39): noted, and no more."""
    story = Story(SGB)
    assert code(story.send(advice(50_00, response=answered, **TAP))) == "00"
    assert (story.held, story.used, story.counters.contactless) == (0, (0, 0, 0), 0)
    assert story.journal[0].trace[0].inputs["executed"] is False


@pytest.mark.parametrize("answered", ["", "00", "08", "Y1"])
def test_of_an_approval_elsewhere_its_code_is_kept(answered: str) -> None:
    """DE38 of the advice, so that the presentment finds its hold."""
    story = Story(BPS)
    decision = story.send(advice(50_00, response=answered, code="OFF123"))
    assert decision.answer is not None
    assert decision.answer.authorization_code == "OFF123"
    assert story.account.holds[0].authorization_code == "OFF123"


# ------------------------------------------------------------------------------------------------ SCA counters


def test_without_sca_it_counts_into_the_contactless_total() -> None:
    """S §15.1.4: it was executed, so it counts; S knows no payment without a check of funds, so it is held."""
    story = Story(CREDIT)
    story.approve(advice(80_00, **TAP))
    assert (story.counters.contactless, story.held) == (80_00, 80_00)


@pytest.mark.parametrize("product", [BPS, SGB, MINOR_SGB], ids=ids)
def test_contactless_without_a_check_of_funds_sets_nothing_aside(product: Product) -> None:
    """P §10.3, W §14.14: the balance falls when it is presented; the day's limits and the total without SCA count it."""
    story, tap = Story(product, account(product, 50_00)), advice(80_00, code="TAP001", **TAP)
    story.approve(tap)
    assert (story.held, story.used, story.counters.contactless) == (0, (0, 80_00, 0), 80_00)
    story.approve(presentment(tap, 80_00, code="TAP001"))
    assert (story.account.balance, story.used, story.counts) == (-30_00, (0, 80_00, 0), (0, 1, 0))


@pytest.mark.parametrize(
    "but",
    [
        {"offline_pin": True},
        {"pin": Pin.RIGHT},
        {"virtual": VirtualId("card~phone"), "entry": Entry.CONTACTLESS_CHIP},
    ],
    ids=["offline PIN", "online PIN", "device"],
)
def test_an_sca_clears_the_counters(but: dict[str, Any]) -> None:
    """The chip verified the PIN, the stand-in did, or the wallet's device its user: an SCA as any other (S §15.1)."""
    start = Counters(contactless_unlocked=True, contactless=150_00, low_value_sum=10_00, low_value_count=2)
    story = Story(SGB, account(SGB, 1_000_00, card(counters=start)))
    story.approve(advice(30_00, **but))
    assert (story.counters.contactless, story.counters.low_value_sum, story.counters.scas) == (0, 0, 1)
    assert story.held == 30_00


def test_a_remote_one_counts_as_low_value_where_that_covers_it() -> None:
    """S §2.43."""
    story = Story(CREDIT)
    story.approve(replace(online(30_00), origin=origin("0120")))
    assert (story.counters.low_value_sum, story.counters.low_value_count) == (30_00, 1)
    story.approve(replace(online(500_00), origin=origin("0120")))
    assert (story.counters.low_value_sum, story.held) == (30_00, 530_00)


def test_a_wrong_pin_is_no_try() -> None:
    """Somebody else checked it."""
    story = Story(CREDIT)
    story.approve(advice(30_00, pin=Pin.WRONG))
    assert story.counters.pin_failures == 0


# ----------------------------------------------------------------------------------------- around it


def test_its_reversal_came_first() -> None:
    """The late original holds nothing; an advice is answered 00 all the same."""
    story, late = Story(BPS), advice(30_00)
    story.send(reversal(late, mti="0420"))
    assert code(story.send(late)) == "00"
    assert (story.held, story.used) == (0, (0, 0, 0))


def test_it_is_reversed_as_any_other() -> None:
    story, done = Story(BPS), advice(30_00)
    story.approve(done, reversal(done, mti="0420"))
    assert (story.held, story.used, story.counts) == (0, (0, 0, 0), (0, 0, 0))


def test_a_card_nobody_knows() -> None:
    """There is no account to hold it on."""
    decision = Story(BPS).send(advice(30_00, card=CardId("")))
    assert (reason(decision), code(decision)) == (Reason.UNKNOWN_CARD, "14")


def test_a_currency_nobody_can_convert() -> None:
    """Never guessed (rulebook section 5)."""
    decision = Story(BPS).send(advice(30_00, currency="392"))
    assert reason(decision) is Reason.UNSUPPORTED_TRANSACTION


@pytest.mark.parametrize("kind", [Kind.REFUND, Kind.BALANCE_INQUIRY, Kind.VERIFICATION, Kind.DEPOSIT])
def test_what_holds_nothing_holds_nothing_as_an_advice(kind: Kind) -> None:
    story = Story(SGB)
    assert code(story.send(advice(30_00, kind=kind))) == "00"
    assert (story.held, story.account.balance, story.used) == (0, 100_000_00, (0, 0, 0))


def test_beyond_the_cap_of_holds_it_is_counted_and_not_held() -> None:
    """The document stays bounded; the presentment posts it."""
    holds = tuple(hold(1, number) for number in range(MAX_OPEN_HOLDS))
    story = Story(BPS, account(BPS, 1_000_00, holds=holds))
    story.approve(advice(30_00))
    assert (story.held, story.used) == (MAX_OPEN_HOLDS, (0, 30_00, 0))
