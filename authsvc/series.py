"""Counters and histograms that every message adds to.

Those of prometheus_client take a lock for each bucket and each sum, 1 to 3 µs a call; these are plain numbers of the one
thread that decides (0.1 to 0.3 µs), and become samples when somebody scrapes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

Labels = tuple[str, ...]


class Count:
    """One counter. `value`: what was added to it so far."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, amount: int = 1) -> None:
        self.value += amount


class Counts(Collector):
    """All counters of one name, by the values of `labels`. `name` without `_total`."""

    def __init__(self, registry: CollectorRegistry, name: str, text: str, labels: Labels) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._series: dict[Labels, Count] = {}
        registry.register(self)

    def of(self, *values: str) -> Count:
        """The counter with these label values, made at zero the first time."""
        assert len(values) == len(self._labels)
        found = self._series.get(values)
        if found is None:
            found = self._series[values] = Count()
        return found

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for values, count in self._series.items():
            family.add_metric(values, count.value)
        yield family


class Spread:
    """One histogram: how many values fell below each bound, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = list(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bound and how many are not above it, as Prometheus counts them."""
        made, below = [], 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            below += count
            made.append((floatToGoString(bound), float(below)))  # type: ignore[no-untyped-call]
        return made


class Spreads(Collector):
    """All histograms of one name, by the values of `labels`."""

    def __init__(
        self, registry: CollectorRegistry, name: str, text: str, bounds: Sequence[float], labels: Labels = ()
    ) -> None:
        self._name, self._text, self._bounds, self._labels = name, text, bounds, labels
        self._series: dict[Labels, Spread] = {}
        registry.register(self)

    def of(self, *values: str) -> Spread:
        """The histogram with these label values, made empty the first time."""
        assert len(values) == len(self._labels)
        found = self._series.get(values)
        if found is None:
            found = self._series[values] = Spread(self._bounds)
        return found

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for values, spread in self._series.items():
            family.add_metric(values, spread.buckets(), spread.total)
        yield family
