"""Limits ahead of time, individual limits, and what is left of them today."""

from __future__ import annotations

from typing import Any

import pytest
from given import (
    BPS,
    CREDIT,
    HOUR,
    NOON,
    SGB,
    Story,
    account,
    card,
    hold,
    limits,
    online,
    reason,
    warsaw,
    with_pin,
    withdrawal,
)

from authsvc.model import AccountId, CardId, Counters, Minor, Reason, SetLimits, UnixMs, Used
from authsvc.rules.limits import remaining_today
from authsvc.rules.pending import MOST, as_of

ACCOUNT, CARD = AccountId("account"), CardId("card")
TOMORROW = warsaw("2026-06-16 00:00")


def order(at: int = 0, number: str = "card", **but: Any) -> SetLimits:
    return SetLimits(
        ACCOUNT, CardId(number), **{name: Minor(value) for name, value in but.items()}, effective=UnixMs(at)
    )


def test_an_order_waits_for_its_moment() -> None:
    """Within two business days (S §23.3, W §10.4): until then the old limits hold, from the very moment the new ones."""
    story = Story(BPS, account(BPS, 10_000_00, card(limits=limits(cashless=50_00))))
    story.approve(order(TOMORROW, cashless=80_00, cash=0))
    assert reason(story.send(with_pin(60_00), at=UnixMs(TOMORROW - 1))) is Reason.CASHLESS_LIMIT
    story.approve(withdrawal(10_00))
    story.send(with_pin(60_00), at=TOMORROW)
    assert story.counters.used.cashless == 60_00
    assert story.reasons(with_pin(20_01), withdrawal(10_00)) == [Reason.CASHLESS_LIMIT, Reason.CHANNEL_OFF]


def test_what_is_used_stays_used() -> None:
    """A changed limit counts what was spent today before it (S §23.2, W §10.2, P §3.5)."""
    story = Story(SGB, account(SGB, 10_000_00, card(limits=limits(cashless=50_00))))
    story.approve(with_pin(40_00), order(cashless=60_00))
    assert reason(story.send(with_pin(20_01))) is Reason.CASHLESS_LIMIT
    story.approve(with_pin(20_00), order(cashless=10_00))
    assert remaining_today(story.card, SGB, NOON)["cashless"] == 0


def test_orders_apply_in_the_order_of_their_moments() -> None:
    """The later moment wins where both name a limit, whichever was ordered first; one at once touches none that waits."""
    story = Story(CREDIT)
    story.approve(order(NOON + 2 * HOUR, cash=3_00), order(NOON + HOUR, cash=2_00, internet=9_00), order(cash=1_00))
    seen = [as_of(story.card, UnixMs(NOON + hours * HOUR)).limits.cash for hours in (0, 1, 2)]
    assert seen == [1_00, 2_00, 3_00]
    story.send(order(cashless=7_00), at=UnixMs(NOON + HOUR))
    assert (story.card.limits, len(story.card.pending)) == (limits(2_00, 7_00, 9_00), 1)


def test_a_moment_that_is_past_is_now_and_waiting_orders_are_bounded() -> None:
    story = Story(CREDIT)
    story.approve(order(NOON - HOUR, cash=1_00))
    assert (story.card.limits.cash, story.card.pending) == (1_00, ())
    story.approve(*(order(NOON + HOUR + number, cash=2_00) for number in range(MOST)))
    assert reason(story.send(order(NOON + HOUR, cash=2_00))) is Reason.NOT_ALLOWED


@pytest.mark.parametrize("at", [0, TOMORROW])
def test_a_ceiling_binds_at_once_and_ahead(at: int) -> None:
    """W §10.2: only lower ones; zero switches the kind off."""
    story = Story(BPS, account(BPS))
    assert reason(story.send(order(at, cash=5_000_01))) is Reason.ABOVE_CEILING
    story.approve(order(internet=0))
    assert reason(story.send(online())) is Reason.CHANNEL_OFF


@pytest.mark.parametrize(("orders", "then"), [
    ([order(individual=400_00)], [None]),
    ([order(individual=400_01)], [Reason.ABOVE_CEILING]),  # S §25.4: 600.00 are the other card's
    ([order(TOMORROW, "other", individual=100_00), order(individual=500_00)], [None, Reason.ABOVE_CEILING]),
    ([order(TOMORROW, individual=400_00), order(0, "other", individual=600_01)], [None, Reason.ABOVE_CEILING]),
    ([order(0, "other", individual=100_00), order(individual=900_00)], [None, None]),
])  # fmt: skip
def test_individual_limits_stay_within_the_credit_limit(orders: list[SetLimits], then: list[Reason | None]) -> None:
    """S §4.5, §25.4: their sum, at every moment that is known of."""
    cards = (card(individual_limit=Minor(100_00)), card("other", individual_limit=Minor(600_00)))
    assert Story(CREDIT, account(CREDIT, 1_000_00, *cards)).reasons(*orders) == then


def test_an_individual_limit_takes_effect() -> None:
    """At its moment (S §9.7: at the latest the next business day); what is spent counts; prepaid cards have none."""
    story = Story(CREDIT, account(CREDIT, 1_000_00, card(individual_limit=Minor(100_00))))
    story.approve(order(TOMORROW, individual=200_00), with_pin(90_00))
    assert reason(story.send(with_pin(20_00))) is Reason.INDIVIDUAL_LIMIT
    story.send(with_pin(110_00), at=TOMORROW)
    assert story.held == 200_00
    assert reason(Story(SGB).send(order(individual=1_00))) is Reason.NOT_ALLOWED


@pytest.mark.parametrize(("lowered", "room"), [(300_00, 100_00), (200_00, 0), (150_00, 0)])
def test_an_individual_limit_is_lowered(lowered: int, room: int) -> None:
    """S §24: to any height, also below what the card owes and holds; then nothing passes until that is paid or free. What
    is taken from this card may go to another (S §25.4)."""
    cards = (card(individual_limit=Minor(600_00), debt=Minor(80_00)), card("other", individual_limit=Minor(400_00)))
    start = account(CREDIT, 1_000_00, *cards, balance=Minor(-80_00), holds=(hold(120_00),))
    story = Story(CREDIT, start)
    story.approve(order(individual=lowered), order(0, "other", individual=1_000_00 - lowered))
    assert reason(story.send(with_pin(room + 1))) is Reason.INDIVIDUAL_LIMIT
    if room:
        story.approve(with_pin(room))


def test_remaining_counts() -> None:
    """P zał.2: ten of the fifteen cashless ones may be on the internet; none is left when the fifteen are gone."""
    used = Used(day="2026-06-15", cashless=Minor(14_00), cashless_count=14, internet=Minor(2_00), internet_count=2)
    one = card(limits=limits(1_00, 20_00, 30_00), counters=Counters(used=used))
    assert remaining_today(one, SGB, NOON) == {
        "cash": 1_00, "cashless": 6_00, "internet": 6_00, "cash_count": 5, "cashless_count": 1, "internet_count": 1,
    }  # fmt: skip
    assert remaining_today(one, BPS, NOON)["internet_count"] is None
