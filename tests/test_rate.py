"""How fast a link may send: never more than a burst and what the time since has allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.rate import Rate


def taken(rate: Rate, asked: list[float]) -> list[float]:
    """Of these moments, those at which a message was taken."""
    return [now for now in asked if rate.wait(now) == 0]


@pytest.mark.parametrize(("asked", "then"), [
    ([0] * 5, [0] * 3),                                 # a burst, and no more
    ([0, 0, 0, 0.05, 0.1, 0.1, 0.2], [0, 0, 0, 0.1, 0.2]),  # then one every tenth of a second
    ([0, 0, 0, 10, 10, 10, 10], [0, 0, 0, 10, 10, 10]),   # a pause gives one burst back, however long it was
])  # fmt: skip
def test_which_messages_are_taken(asked: list[float], then: list[float]) -> None:
    assert taken(Rate(per_second=10, burst=3), asked) == then


def test_how_long_to_wait() -> None:
    """As long as `wait` says, and not longer."""
    rate = Rate(per_second=10, burst=1)
    assert rate.wait(5.0) == 0
    wait = rate.wait(5.02)
    assert wait == pytest.approx(0.08)
    assert rate.wait(5.02 + wait) == 0


@given(st.floats(0.1, 1e5), st.integers(1, 50), st.lists(st.floats(0, 2), max_size=300))
def test_never_more_than_it_says(per_second: float, burst: int, gaps: list[float]) -> None:
    """In any stretch of time: at most the burst and one for each time between two messages that has passed."""
    moments, now = [], 0.0
    for gap in gaps:
        now += gap / per_second
        moments.append(now)
    through = taken(Rate(per_second, burst), moments)
    for first in range(len(through)):
        for last in range(first, len(through)):
            assert last - first + 1 <= burst + (through[last] - through[first]) * per_second + 1e-6
