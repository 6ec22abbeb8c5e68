"""Polish business days: Monday to Friday, public holidays excepted (Act of 18 January 1951, as amended: since 2025 with
Christmas Eve)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache

from authsvc.model import Day, UnixMs
from authsvc.rules.calendar import WARSAW

FIXED = frozenset(
    {(1, 1), (1, 6), (5, 1), (5, 3), (8, 15), (11, 1), (11, 11), (12, 25), (12, 26)}
)  # fmt: skip
CHRISTMAS_EVE_FREE_SINCE = 2025
AFTER_EASTER = (0, 1, 49, 60)
"""Days from Easter Sunday: itself, Easter Monday, Whit Sunday, Corpus Christi."""
SATURDAY = 5


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Gauss's method in the anonymous form of 1876)."""
    golden, century, rest = year % 19, year // 100, year % 100
    correction = (century - (century + 8) // 25 + 1) // 3
    moon = (19 * golden + century - century // 4 - correction + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    late = (golden + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def is_business_day(day: date) -> bool:
    if day.weekday() >= SATURDAY or (day.month, day.day) in FIXED:
        return False
    if (day.month, day.day) == (12, 24) and day.year >= CHRISTMAS_EVE_FREE_SINCE:
        return False
    return (day - easter(day.year)).days not in AFTER_EASTER


@lru_cache(maxsize=64)
def previous_business_day(day: Day) -> Day:
    """The last business day before `day`."""
    before = date.fromisoformat(day) - timedelta(days=1)
    while not is_business_day(before):
        before -= timedelta(days=1)
    return Day(before.isoformat())


@lru_cache(maxsize=64)
def moment_of(day: Day, hour: int = 0, minute: int = 0) -> UnixMs:
    """When a Warsaw wall clock shows that time of `day`."""
    wall = datetime.combine(date.fromisoformat(day), time(hour, minute), WARSAW)
    return UnixMs(int(wall.timestamp()) * 1000)


def next_day(day: Day) -> Day:
    return Day((date.fromisoformat(day) + timedelta(days=1)).isoformat())
