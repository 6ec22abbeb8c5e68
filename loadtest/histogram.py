"""Latencies counted in buckets that grow with the value, as HdrHistogram does: fixed memory, fixed resolution."""

from __future__ import annotations

_BITS = 7
_MOST = 1 << 36
"""Microseconds, 19 hours: anything longer is counted as this."""


class Histogram:
    """Whole microseconds. Exact below 256; above, a value is reported at most 1/128 (0.8 %) too high, never too low.

    `count`: how many were recorded; `longest`: the largest, exact.
    """

    def __init__(self) -> None:
        self.count = self.longest = 0
        self._buckets = [0] * ((_MOST.bit_length() - _BITS + 1) << _BITS)

    def record(self, microseconds: int) -> None:
        value = min(max(0, microseconds), _MOST)
        shift = max(0, value.bit_length() - _BITS - 1)
        self._buckets[(shift << _BITS) + (value >> shift)] += 1
        self.count += 1
        self.longest = max(self.longest, microseconds)

    def at(self, percent: float) -> int:
        """The latency that `percent` of all stay at or below, microseconds; 0 when nothing was recorded."""
        wanted, seen = max(1, -int(-self.count * percent // 100)), 0
        for index, count in enumerate(self._buckets):
            seen += count
            if count and seen >= wanted:
                shift = max(0, (index >> _BITS) - 1)
                return min(self.longest, ((index - (shift << _BITS) + 1) << shift) - 1)
        return 0
