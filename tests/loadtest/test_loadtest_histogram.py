"""The histogram of latencies."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.histogram import Histogram


def histogram(values: list[int]) -> Histogram:
    made = Histogram()
    for value in values:
        made.record(value)
    return made


@given(st.lists(st.integers(0, 10_000_000_000), min_size=1), st.sampled_from([1.0, 50.0, 90.0, 99.0, 99.9, 100.0]))
def test_a_percentile_is_never_too_low_and_at_most_one_in_128_too_high(values: list[int], percent: float) -> None:
    """What is reported is the nearest rank, within the resolution that the docstring promises."""
    exact = sorted(values)[max(1, math.ceil(len(values) * percent / 100 - 1e-9)) - 1]
    assert exact <= histogram(values).at(percent) <= exact * (1 + 1 / 128)


@pytest.mark.parametrize(
    ("values", "percent", "then"),
    [
        ([], 99, 0),
        ([7], 50, 7),
        (list(range(1, 101)), 50, 50),
        (list(range(1, 101)), 99, 99),
        (list(range(1, 101)), 100, 100),
        ([5, 1_000_003], 100, 1_000_003),  # the longest is exact
        ([-4], 50, 0),  # a clock that went back
    ],
)
def test_percentiles(values: list[int], percent: float, then: int) -> None:
    """Small latencies and the longest one are exact."""
    assert histogram(values).at(percent) == then


def test_what_is_longer_than_the_last_bucket_is_counted() -> None:
    """A latency of years is not lost."""
    made = histogram([1 << 50])
    assert (made.count, made.longest) == (1, 1 << 50)
    assert made.at(50) >= 1 << 36
