"""What the control API tells of an account and its cards, as of a moment."""

from __future__ import annotations

import pytest
from given import CREDIT, HOUR, NOON, SGB, account, card, hold, warsaw

from authsvc.model import By, CardStatus, Counters, Day, Minor, UnixMs, Used
from authsvc.rules import views

WEEK = 7 * 24 * HOUR
HOLDS = (hold(10_00, 1), hold(20_00, 2, created=UnixMs(NOON + HOUR)))


@pytest.mark.parametrize(
    ("now", "open_ones", "held"),
    [
        (NOON + HOUR, ["hold-1", "hold-2"], 30_00),
        (NOON + WEEK, ["hold-2"], 20_00),
        (NOON + WEEK + HOUR, [], 0),
    ],
)
def test_holds_as_of_now(now: int, open_ones: list[str], held: int) -> None:
    """Who looks sees no hold that is over, though no message has come since (P §10.9)."""
    start = account(SGB, 100_00, holds=HOLDS)
    assert [one.id for one in views.open_holds(start, UnixMs(now))] == open_ones
    assert views.held(start, UnixMs(now)) == held
    assert views.available(start, UnixMs(now)) == 100_00 - held


def test_what_a_card_can_pay() -> None:
    """A credit card is told the smaller of its own and the account's room (S §19.2)."""
    one = card(individual_limit=50_00)
    start = account(CREDIT, 100_00, one, holds=HOLDS)
    assert views.card_available(start, one, CREDIT, UnixMs(NOON + HOUR)) == 20_00
    assert views.available(start, UnixMs(NOON + HOUR)) == 70_00


def test_yesterdays_counters_are_over() -> None:
    """What was used is told of today only."""
    used = Used(day=Day("2026-06-15"), cash=Minor(10_00), cash_count=1)
    one = card(counters=Counters(used=used))
    assert views.used_today(one, NOON) == used
    assert views.used_today(one, warsaw("2026-06-16 00:00")) == Used(day=Day("2026-06-16"))
    assert views.remaining_today(one, SGB, NOON)["cash_count"] == 4
    assert views.remaining_today(one, SGB, warsaw("2026-06-16 00:00"))["cash_count"] == 5


def test_the_status_as_of_now() -> None:
    """A block that has grown old is told as permanent (S §21.9)."""
    one = card(status=CardStatus.TEMPORARILY_BLOCKED, blocked_by=By.HOLDER, blocked_at=NOON)
    assert views.effective_status(one, CREDIT, UnixMs(NOON + WEEK)) is CardStatus.TEMPORARILY_BLOCKED
    assert views.effective_status(one, CREDIT, UnixMs(NOON + 60 * 24 * HOUR)) is CardStatus.PERMANENTLY_BLOCKED


def test_looking_changes_nothing() -> None:
    """A view is computed, never a decision: the account is the same afterwards."""
    start = account(SGB, 100_00, holds=HOLDS)
    before = repr(start)
    views.open_holds(start, UnixMs(NOON + WEEK))
    views.pin_tries_left(start.cards["card"], NOON)  # type: ignore[index]
    assert repr(start) == before
