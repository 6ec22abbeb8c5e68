"""What is counted while a run goes on: latencies in HdrHistograms (hdrh), everything else in numbers, second by second."""

from __future__ import annotations

from collections import Counter
from time import perf_counter

from hdrh.histogram import HdrHistogram
from msgspec import Struct

LONGEST = 3_600_000_000
"""Microseconds, an hour: anything longer is counted as this."""
DIGITS = 3
"""Significant digits of a latency."""


def histogram() -> HdrHistogram:
    """Of microseconds."""
    return HdrHistogram(1, LONGEST, DIGITS)


def at(found: HdrHistogram, percent: float) -> int:
    """The latency that `percent` of all stay at or below, microseconds; 0 when nothing was recorded."""
    return int(found.get_value_at_percentile(percent)) if found.get_total_count() else 0


class Second(Struct, frozen=True):
    """One interval. `at`: its end, seconds since the first message was due; `refused`: DE39 of a refusal; latencies in
    microseconds, of the answers that came in it; `offered`: messages that were due in it."""

    at: float
    offered: int
    answered: int
    refused: int
    wrong: int
    under_way: int
    p50: int
    p99: int
    max: int


class Example(Struct, frozen=True):
    """One wrong answer: enough to find it in the journal, and no card number."""

    kind: str
    expected: str
    answered: str
    amount: int
    rrn: str
    stan: str
    last4: str


class Tally:
    """`latency`: of all; `late`: how long after it was due a message was sent, the worst of each tick of the generator."""

    def __init__(self) -> None:
        self.sent = self.answered = self.unanswered = self.garbled = self.links_lost = self.unchecked = 0
        self.latency, self.late, self._fresh = histogram(), histogram(), histogram()
        self.codes: Counter[tuple[str, bytes]] = Counter()
        self.wrong: Counter[str] = Counter()
        self.examples: dict[str, Example] = {}
        self.seconds: list[Second] = []
        self.begun = perf_counter()
        self._before = (0, 0, 0, 0)
        self.record = self._fresh.record_value

    def end_of_interval(self, under_way: int) -> Second:
        """Close the interval that has passed; the next one begins."""
        fresh, self._fresh = self._fresh, histogram()
        self.record = self._fresh.record_value
        self.latency.add(fresh)
        refused = sum(count for (_, code), count in self.codes.items() if code != b"00")
        now = (self.sent, self.answered, refused, sum(self.wrong.values()))
        sent, answered, more_refused, wrong = (new - old for new, old in zip(now, self._before, strict=True))
        self._before = now
        longest = int(fresh.get_max_value()) if answered else 0
        passed = perf_counter() - self.begun
        made = Second(passed, sent, answered, more_refused, wrong, under_way, at(fresh, 50), at(fresh, 99), longest)
        self.seconds.append(made)
        return made

    def by_kind(self) -> dict[str, dict[str, int]]:
        kinds: dict[str, dict[str, int]] = {}
        for (kind, code), count in self.codes.items():
            kinds.setdefault(str(kind), {})[code.decode("ascii", "replace")] = count
        return kinds
