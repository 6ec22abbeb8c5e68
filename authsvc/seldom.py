"""Something that can happen thousands of times a second, told at most once a second: a log must not fill a disk."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

SECONDS: Final = 1.0


class Seldom:
    """Of each kind, `kinds` being few. No clock in here: the time comes in, in seconds of any one clock."""

    def __init__(self) -> None:
        self._told: dict[Hashable, float] = {}
        self._untold: dict[Hashable, int] = {}

    def count(self, kind: Hashable, now: float) -> int:
        """How often it happened since it was told last, this time included; 0: it is not to be told now."""
        count = self._untold.get(kind, 0) + 1
        if now - self._told.get(kind, -SECONDS + now) < SECONDS:
            self._untold[kind] = count
            return 0
        self._told[kind] = now
        self._untold[kind] = 0
        return count
