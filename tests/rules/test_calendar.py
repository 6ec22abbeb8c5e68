"""The Warsaw day, the last day of a card, and seven days of a hold."""

from __future__ import annotations

from datetime import datetime

import pytest
from given import HOUR, MINUTE, SECOND, warsaw
from hypothesis import given
from hypothesis import strategies as st

from authsvc.model import Day, UnixMs
from authsvc.rules.calendar import WARSAW, day_of, days_between, days_later, is_past_expiry

ANY_TIME = st.integers(warsaw("2020-01-01 00:00"), warsaw("2040-01-01 00:00")).map(UnixMs)


@pytest.mark.parametrize(
    ("when", "then"),
    [
        ("2026-06-15 00:00:00", "2026-06-15"),
        ("2026-06-15 23:59:59.999", "2026-06-15"),
        ("2026-06-16 00:00:00", "2026-06-16"),
        ("2026-12-31 23:59:59.999", "2026-12-31"),
        ("2027-01-01 00:00:00", "2027-01-01"),
    ],
)
def test_a_day_changes_at_midnight_in_warsaw(when: str, then: str) -> None:
    """A payment counts for the calendar day on which it reached us by the Warsaw clock (rulebook, "Day")."""
    assert day_of(warsaw(when)) == then


@pytest.mark.parametrize(
    ("day", "next_day", "hours"),
    [
        ("2026-03-28", "2026-03-29", 24),
        ("2026-03-29", "2026-03-30", 23),  # clocks go forward
        ("2026-10-25", "2026-10-26", 25),  # clocks go back
        ("2027-03-28", "2027-03-29", 23),
    ],
)
def test_a_day_has_23_or_25_hours_when_the_clocks_change(day: str, next_day: str, hours: int) -> None:
    """On the days the clocks change, the day of a payment is an hour shorter or longer, from midnight to midnight."""
    start, end = warsaw(f"{day} 00:00"), warsaw(f"{next_day} 00:00")
    assert end - start == hours * HOUR
    assert {day_of(UnixMs(moment)) for moment in range(start, end, HOUR // 2)} == {day}
    assert (day_of(UnixMs(start - 1)) < day, day_of(end)) == (True, next_day)


@pytest.mark.parametrize(
    ("created", "fold", "expires", "hours"),
    [
        ("2026-06-15 12:00", 0, "2026-06-22 12:00", 168),
        ("2026-03-27 12:00", 0, "2026-04-03 12:00", 167),  # an hour was skipped
        ("2026-10-20 12:00", 0, "2026-10-27 12:00", 169),  # an hour came twice
        ("2026-03-22 02:30", 0, "2026-03-29 03:30", 168),  # 02:30 does not exist on the 29th: an hour later
        ("2026-10-18 02:30", 0, "2026-10-25 02:30", 168),
        ("2026-10-25 02:30", 1, "2026-11-01 02:30", 168),  # created the second time the clock showed 02:30
        ("2026-12-28 23:59:59.999", 0, "2027-01-04 23:59:59.999", 168),
    ],
)
def test_seven_days_are_seven_days_of_the_wall_clock(created: str, fold: int, expires: str, hours: int) -> None:
    """A hold lasts to the same wall-clock time seven days on, whatever the clocks do meanwhile (W §14.13, P §10.2)."""
    start = warsaw(created, fold)
    assert days_later(start, 7) == warsaw(expires)
    assert days_later(start, 7) - start == hours * HOUR


@given(ANY_TIME, st.integers(1, 30))
def test_a_hold_never_expires_before_its_wall_clock_time(start: UnixMs, days: int) -> None:
    """`days` later the calendar has moved by `days`, and the wall clock shows the same time, or the skipped hour on."""
    end = days_later(start, days)
    then, now = (datetime.fromtimestamp(moment / 1000, WARSAW).replace(tzinfo=None) for moment in (end, start))
    assert days_between(start, end) == days
    assert then.toordinal() - now.toordinal() == days
    assert 0 <= (then - now).total_seconds() - days * 24 * 3600 <= 3600


@given(ANY_TIME, st.integers(0, 40 * 24 * HOUR))
def test_days_follow_time(start: UnixMs, later: int) -> None:
    """A later moment is never on an earlier day."""
    end = UnixMs(start + later)
    assert day_of(start) <= day_of(end)
    assert days_between(start, end) >= 0


@pytest.mark.parametrize(
    ("start", "end", "then"),
    [
        ("2026-06-15 23:59", "2026-06-16 00:01", 1),
        ("2026-06-15 00:00", "2026-06-15 23:59", 0),
        ("2026-03-01 12:00", "2026-04-30 00:00", 60),
        ("2026-09-01 12:00", "2026-10-31 00:00", 60),
    ],
)
def test_days_between(start: str, end: str, then: int) -> None:
    """Days are counted on the calendar, not in hours (S §21.9, W §17.5: calendar days)."""
    assert days_between(warsaw(start), warsaw(end)) == then


@pytest.mark.parametrize(
    ("expiry", "day", "then"),
    [
        ("2606", "2026-06-01", False),
        ("2606", "2026-06-30", False),
        ("2606", "2026-07-01", True),
        ("2612", "2026-12-31", False),
        ("2612", "2027-01-01", True),
        ("2802", "2028-02-29", False),
        ("2802", "2028-03-01", True),
    ],
)
def test_a_card_is_good_to_the_last_day_of_its_month(expiry: str, day: str, then: bool) -> None:
    """A card works to the end of the last day of the month printed on it (S §32.2, W §6.3, P §9.1.3 by custom)."""
    assert is_past_expiry(expiry, Day(day)) is then


def test_the_last_minute_of_a_card_is_by_the_warsaw_clock() -> None:
    """In UTC it is still July 31 at 22:30; in Warsaw the card of July is already over (S §32.2)."""
    midnight = warsaw("2026-08-01 00:00")
    assert not is_past_expiry("2607", day_of(UnixMs(midnight - 1)))
    assert is_past_expiry("2607", day_of(midnight))
    assert is_past_expiry("2607", day_of(UnixMs(midnight + 30 * MINUTE + SECOND)))
