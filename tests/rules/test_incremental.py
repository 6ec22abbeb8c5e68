"""Incremental authorizations: more on a hold that is open (rulebook section 4; S §19.2, W §14.12, P §10.2, §10.7)."""

from __future__ import annotations

from typing import Any

import pytest
from given import (
    ALL,
    BPS,
    CREDIT,
    HOUR,
    NOON,
    SGB,
    Story,
    account,
    authorization,
    card,
    code,
    contactless,
    ids,
    increment,
    limits,
    online,
    origin,
    reason,
    reversal,
    warsaw,
    with_pin,
)
from msgspec.structs import replace

from authsvc.model import CardId, Kind, Original, Pin, Reason
from authsvc.products import Product
from authsvc.rules.incremental import MAX_INCREMENTS

LINK = "ABCDEFGHIJKLMNO"


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_it_adds_to_the_hold_of_its_original(product: Product) -> None:
    """The difference on the original's hold; the amount counts, the count does not (rulebook section 4, P §10.7)."""
    story, hotel = Story(product), with_pin(60_00, kind=Kind.PRE_AUTHORIZATION)
    story.approve(hotel, increment(hotel, 15_00))
    assert (story.held, len(story.account.holds)) == (75_00, 1)
    assert (story.used, story.counts) == ((0, 75_00, 0), (0, 1, 0))


def test_it_is_found_by_the_link_too() -> None:
    """DE48.63: the first message brings the id, the next ones add to it."""
    story = Story(SGB)
    story.approve(*(authorization(amount, link=LINK) for amount in (60_00, 15_00, 5_00)))
    assert (story.held, len(story.account.holds), story.counts) == (80_00, 1, (0, 1, 0))
    story.approve(authorization(1_00, link="another id"))
    assert len(story.account.holds) == 2


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize("what", ["never seen", "reversed", "expired", "of another card"])
def test_without_an_open_original_it_is_refused(product: Product, what: str) -> None:
    """ORIGINAL_NOT_FOUND, DE39 25."""
    second = replace(card("second"), individual_limit=card().individual_limit)
    story = Story(product, account(product, 1_000_00, card(), second))
    first = with_pin(60_00)
    if what != "never seen":
        story.approve(first)
    if what == "reversed":
        story.approve(reversal(first))
    at = warsaw("2026-06-22 12:00") if what == "expired" else NOON
    more = increment(first, 15_00, card=CardId("second" if what == "of another card" else "card"))
    decision = story.send(more, at)
    assert (reason(decision), code(decision)) == (Reason.ORIGINAL_NOT_FOUND, "25")


@pytest.mark.parametrize(
    ("first", "more", "but"),
    [
        (contactless(90_00), 90_00, {"entry": contactless().entry}),
        (online(10_00, level="212", cavv="M"), 500_00, {"entry": online().entry, "condition": "59"}),
    ],
    ids=["contactless", "remote"],
)
def test_it_needs_no_sca_of_its_own_and_counts_into_no_sca_counter(first: Any, more: int, but: dict[str, Any]) -> None:
    """Rulebook section 4: "–". What it adds to has passed those rules."""
    story, original = Story(SGB), first
    story.approve(replace(original, cavv="", level="", origin=origin()))
    before = (story.counters.contactless, story.counters.low_value_sum, story.counters.low_value_count)
    story.approve(increment(story.journal[-1].request, more, **but))  # type: ignore[arg-type]
    after = (story.counters.contactless, story.counters.low_value_sum, story.counters.low_value_count)
    assert (after, story.held) == (before, original.amount + more)


@pytest.mark.parametrize(
    ("funds", "cashless", "then"),
    [
        (75_00, 1_000_00, None),
        (74_99, 1_000_00, Reason.INSUFFICIENT_FUNDS),
        (1_000_00, 74_99, Reason.CASHLESS_LIMIT),
        (1_000_00, 75_00, None),
    ],
)
def test_limits_and_funds_bind_it(funds: int, cashless: int, then: Reason | None) -> None:
    """W §14.15.1: with what is held and used already."""
    story = Story(BPS, account(BPS, funds, card(limits=limits(cashless=cashless))))
    first = with_pin(60_00)
    story.approve(first)
    assert reason(story.send(increment(first, 15_00))) is then


def test_a_wrong_pin_with_it_counts_as_any_other() -> None:
    """S §12.3."""
    story, first = Story(CREDIT), with_pin(60_00)
    story.approve(first)
    assert reason(story.send(increment(first, 15_00, pin=Pin.WRONG))) is Reason.PIN_WRONG
    assert (story.counters.pin_failures, story.held) == (1, 60_00)


def test_a_count_that_is_used_up_does_not_stop_it() -> None:
    """P zał.2: fifteen a day; the sixteenth message adds to the fifteenth."""
    story = Story(SGB)
    payments = [with_pin(1_00) for _ in range(15)]
    story.approve(*payments)
    assert reason(story.send(with_pin(1_00))) is Reason.CASHLESS_COUNT
    story.approve(increment(payments[-1], 1_00))


# -------------------------------------------------------------------------------------------------- its reversal


def test_a_reversal_of_the_increment_leaves_the_original() -> None:
    story, first = Story(BPS), with_pin(60_00)
    more = increment(first, 15_00)
    story.approve(first, more, reversal(more))
    assert (story.held, story.used, story.counts) == (60_00, (0, 60_00, 0), (0, 1, 0))
    story.approve(reversal(more, origin=origin("0400")))
    assert story.held == 60_00


def test_a_reversal_of_the_original_gives_all_of_it_back() -> None:
    story, first = Story(BPS), with_pin(60_00)
    story.approve(first, increment(first, 15_00), increment(first, 5_00), reversal(first))
    assert (story.held, story.used, story.counts) == (0, (0, 0, 0), (0, 0, 0))


@pytest.mark.parametrize(
    ("becomes", "held", "increments"),
    [(70_00, 70_00, [10_00]), (62_00, 62_00, [2_00]), (30_00, 30_00, [])],
)
def test_a_partial_reversal_takes_from_the_newest_first(becomes: int, held: int, increments: list[int]) -> None:
    story, first = Story(BPS), with_pin(60_00)
    story.approve(first, increment(first, 10_00), increment(first, 5_00), reversal(first, becomes))
    assert (story.held, story.used) == (held, (0, becomes, 0))
    assert [one.amount for one in story.account.holds[0].increments] == increments


def test_part_of_an_increment_can_be_reversed() -> None:
    story, first = Story(BPS), with_pin(60_00)
    more = increment(first, 15_00)
    story.approve(first, more, reversal(more, 4_00))
    assert (story.held, story.used) == (64_00, (0, 64_00, 0))


def test_each_day_gets_its_own_part_back() -> None:
    """Limits restore into the original's day (rulebook section 2): the increment's day is its own."""
    story, first = Story(BPS), with_pin(60_00)
    story.approve(first)
    tomorrow = warsaw("2026-06-16 12:00")
    assert reason(story.send(increment(first, 15_00), tomorrow)) is None
    assert (story.used, story.counts) == ((0, 15_00, 0), (0, 0, 0))
    story.approve(reversal(first))
    assert (story.held, story.used, story.counts) == (0, (0, 0, 0), (0, 0, 0))


def test_the_hold_ends_when_the_original_would_have() -> None:
    """P §10.9: seven days from the transaction, whatever was added since."""
    story, first = Story(SGB), with_pin(60_00)
    story.approve(first)
    story.send(increment(first, 15_00), warsaw("2026-06-20 12:00"))
    story.now = warsaw("2026-06-22 11:59")
    assert story.held == 75_00
    story.now += HOUR
    assert story.held == 0


def test_the_number_of_increments_is_capped() -> None:
    """So that the account's document stays small; refused, not forgotten."""
    story, first = Story(BPS), with_pin(1_00)
    story.approve(first, *(increment(first, 1) for _ in range(MAX_INCREMENTS)))
    assert reason(story.send(increment(first, 1))) is Reason.SUSPECTED_FRAUD
    assert story.held == 1_00 + MAX_INCREMENTS


def test_a_de90_of_another_message_names_nothing() -> None:
    story, first = Story(BPS), with_pin(60_00)
    story.approve(first)
    wrong = Original("0100", "000000", first.origin.sent, first.origin.acquirer)
    assert reason(story.send(increment(first, 1_00, adds_to=wrong))) is Reason.ORIGINAL_NOT_FOUND
