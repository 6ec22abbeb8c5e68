"""The Warsaw calendar: days, month ends, hold expiry. Pure: the moment comes in, nobody looks at a clock.

All answers are constant within one hour of UTC (Warsaw's offset changes only at full hours), so they are cached by it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from authsvc.model import Day, UnixMs

WARSAW = ZoneInfo("Europe/Warsaw")
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def day_of(now: UnixMs) -> Day:
    """The calendar day in Warsaw (rulebook, head: "Day"); it has 23 or 25 hours when the clocks change."""
    return _day_of_hour(now // HOUR_MS)


@lru_cache(maxsize=64)
def _day_of_hour(hour: int) -> Day:
    return Day(datetime.fromtimestamp(hour * 3600, WARSAW).date().isoformat())


def days_later(now: UnixMs, days: int) -> UnixMs:
    """The same Warsaw wall-clock time `days` days on; a time the clocks skip comes out an hour later, never earlier."""
    hour, rest = divmod(now, HOUR_MS)
    return UnixMs(_hour_days_later(hour, days) + rest)


@lru_cache(maxsize=256)
def _hour_days_later(hour: int, days: int) -> int:
    wall = datetime.fromtimestamp(hour * 3600, WARSAW) + timedelta(days=days)
    return int(wall.astimezone(UTC).timestamp()) * 1000


def days_between(start: UnixMs, end: UnixMs) -> int:
    """Calendar days from the Warsaw day of `start` to that of `end`."""
    return (date.fromisoformat(day_of(end)) - date.fromisoformat(day_of(start))).days


def is_past_expiry(expiry: str, day: Day) -> bool:
    """Whether a card printed `expiry` (YYMM) is past its last day, the last of that month (S §32.2, W §6.3)."""
    return expiry < day[2:4] + day[5:7]
