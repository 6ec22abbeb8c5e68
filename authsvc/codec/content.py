"""What each field may hold, as data: one row a field, checked on every message after the dialect has cut it out.

A dialect knows how long a field is and how it is written; this table knows what it may say, and is the same for all
dialects. Values are ASCII by then, so `str.isdigit` and `str.isprintable` mean 0-9 and 0x20-0x7E.
Source: ISO 8583:1987 table of data elements; `wire.md` section 3.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

Check = Callable[[str], object]


class Content(Struct, frozen=True):
    """`holds`: true for a value that is right; `rule`: what a wrong one is told, never with the value in it."""

    holds: Check
    rule: str


def _matches(pattern: str) -> Check:
    return re.compile(pattern).fullmatch


_MONTH_DAYS = {month: 31 - (month in (4, 6, 9, 11)) - 2 * (month == 2) for month in range(1, 13)}
DAYS = frozenset(f"{month:02d}{day:02d}" for month, days in _MONTH_DAYS.items() for day in range(1, days + 1))
YEAR_MONTHS = frozenset(f"{year:02d}{month:02d}" for year in range(100) for month in range(1, 13))
_TIME = "(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]"
_time_holds = re.compile(_TIME).fullmatch


def _moment_holds(value: str) -> bool:
    """MMDDhhmmss; 29 February always holds, because no year is given."""
    return value[:4] in DAYS and _time_holds(value, 4) is not None


MTI = Content(_matches("0[1-8][0-9]{2}"), "is no message type of ISO 8583:1987")
DIGITS = Content(str.isdigit, "is not digits alone")
TEXT = Content(str.isprintable, "holds unprintable characters")
CODE = Content(_matches("[0-9A-Za-z ]+"), "is not letters and digits alone")
HEX = Content(_matches("[0-9A-Fa-f]+"), "is not hexadecimal digits alone")
HEX_BYTES = Content(_matches("(?:[0-9A-Fa-f]{2})*"), "is not pairs of hexadecimal digits")
PAN = Content(_matches("[0-9]{12,19}"), "is not 12 to 19 digits")
TRACK_2 = Content(_matches("[0-9]{12,19}[=D][0-9=DF]*"), "is not track 2 data")
MOMENT = Content(_moment_holds, "is no date and time MMDDhhmmss")
TIME = Content(_matches(_TIME), "is no time hhmmss")
DAY = Content(DAYS.__contains__, "is no date MMDD")
YEAR_MONTH = Content(YEAR_MONTHS.__contains__, "is no year and month YYMM")
SIGNED = Content(_matches("[ -~][0-9]+"), "is not a sign and digits")
BECOMES = Content(_matches("[0-9]{12}[ -~]*"), "does not begin with an amount of 12 digits")
UNUSED = Content(lambda _value: False, "is not used in this dialect")
SHORTEST = {PAN: 12, DIGITS: 1, CODE: 1, HEX: 1}
"""Characters that a value has at least, where its length is its own; any other may be empty."""

MOST_REMEMBERED = 4096


class Remembered(set[str]):
    """Values that a check passed: the same second comes with thousands of messages. Never a field that is secret."""

    def __init__(self, content: Content) -> None:
        super().__init__()
        self._holds = content.holds

    def add_if_right(self, value: str) -> bool:
        if not self._holds(value):
            return False
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        self.add(value)
        return True


MOMENTS, TIMES = Remembered(MOMENT), Remembered(TIME)

CONTENT: dict[str, Content] = dict.fromkeys(map(str, range(2, 129)), TEXT) | {
    "t": MTI,
    **dict.fromkeys(("3", "4", "5", "6", "11", "18", "19", "22", "23", "25", "32", "33", "49", "70", "90"), DIGITS),
    "2": PAN,
    "7": MOMENT,
    "12": TIME,
    "13": DAY,
    "14": YEAR_MONTH,
    "35": TRACK_2,
    "39": CODE,
    **dict.fromkeys(("52", "64", "128"), HEX),
    "55": HEX_BYTES,
    "95": BECOMES,
    **dict.fromkeys(("65", "93", "96"), UNUSED),
}
"""Field → what it may hold; a field without a row of its own is any printable text."""

HOLDS: dict[str, Check] = {name: content.holds for name, content in CONTENT.items()}
"""The checks alone: this is read for every field of every message."""
