"""How many messages a second a link may send, and how many at once. No clock in here: the time comes in."""

from __future__ import annotations


class Rate:
    """`per_second`: in the long run; `burst`: as many at once after a pause. Times in seconds of any one clock."""

    __slots__ = ("_burst_seconds", "_each", "_paid_until")

    def __init__(self, per_second: float, burst: int) -> None:
        assert per_second > 0
        assert burst >= 1
        self._each = 1 / per_second
        self._burst_seconds = (burst - 1) / per_second
        self._paid_until = float("-inf")

    def wait(self, now: float) -> float:
        """Seconds until the next message may be taken, 0 when it was taken now."""
        paid_until = max(self._paid_until, now)
        wait = paid_until - now - self._burst_seconds
        if wait > 1e-9:  # what is left of it by rounding is no reason to wait
            return wait
        self._paid_until = paid_until + self._each
        return 0.0

    def owed(self, now: float) -> float:
        """Seconds of its rate that are used up already; for `owe`, by whatever clock."""
        return max(0.0, self._paid_until - now)

    def owe(self, seconds: float, now: float) -> None:
        """Go on where another one was."""
        self._paid_until = now + seconds
