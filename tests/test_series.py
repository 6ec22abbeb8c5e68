"""Plain numbers that are scraped as prometheus_client's own would be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from authsvc.series import Counts, Spreads

BOUNDS = (0.5, 1.0, 2.5)


def samples(registry: CollectorRegistry) -> list[str]:
    lines = generate_latest(registry).decode().splitlines()
    return sorted(line for line in lines if not line.startswith("#") and "_created" not in line)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 10**9))))
def test_a_counter_is_scraped_as_theirs(added: list[tuple[str, int]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    made, reference = Counts(ours, "c", "text", ("who",)), Counter("c", "text", ("who",), registry=theirs)
    for who, amount in [("a", 0), *added]:
        made.of(who).inc(amount)
        reference.labels(who).inc(amount)
    assert samples(ours) == samples(theirs)


@given(st.lists(st.one_of(st.sampled_from([0.0, *BOUNDS]), st.floats(0, 10))))
def test_a_histogram_is_scraped_as_theirs(observed: list[float]) -> None:
    """A value on a bound is below it."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    made = Spreads(ours, "h", "text", BOUNDS, ("stage",)).of("x")
    reference = Histogram("h", "text", ("stage",), registry=theirs, buckets=BOUNDS).labels("x")
    for value in observed:
        made.observe(value)
        reference.observe(value)
    assert samples(ours) == samples(theirs)


def test_a_series_is_made_once() -> None:
    counts = Counts(CollectorRegistry(), "c", "text", ("who",))
    assert counts.of("a") is counts.of("a")
    with pytest.raises(AssertionError):
        counts.of("a", "b")
