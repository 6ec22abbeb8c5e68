"""Several rates, and the search for the knee."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from test_loadtest_page import report

from loadtest.generator import Plan, _gaps
from loadtest.rates import find_knee, held
from loadtest.report import Stage

RESULT = report().stages[0].result
PLAN = Plan(links=1, seconds=10.0, most=10**6, rate=30.0)


@pytest.mark.parametrize("most", [130.0, 1_000.0, 9_990.0])
async def test_the_knee_is_found_to_a_twentieth(most: float) -> None:
    """Whatever a host can do: growing first, then halving what lies between."""
    tried: list[float] = []

    async def at(rate: float) -> Stage:
        tried.append(rate)
        return Stage(rate, rate <= most, RESULT)

    stages, knee = await find_knee(at, 100.0)
    assert knee <= most < knee * 1.06
    assert [stage.offered for stage in stages] == tried
    assert len(tried) <= 16


async def test_a_host_that_holds_nothing_has_no_knee() -> None:
    async def at(rate: float) -> Stage:
        return Stage(rate, False, RESULT)

    stages, knee = await find_knee(at, 100.0)
    assert knee == 0
    assert len(stages) <= 16


@pytest.mark.parametrize(
    ("changes", "then"),
    [
        ({}, True),
        ({"seconds": 10.5}, True),
        ({"seconds": 10.6}, False),  # its answers came long after the last message was due
        ({"answered": 284}, False),
        ({"links_lost": 1}, False),
    ],
)
def test_held(changes: dict[str, object], then: bool) -> None:
    """A rate is held when nearly all is answered nearly at once."""
    assert held(PLAN, replace(RESULT, **changes), 200.0) is then
    assert not held(PLAN, replace(RESULT, **changes), 90.0)


@pytest.mark.parametrize("arrivals", ["even", "poisson"])
@pytest.mark.parametrize(("rate", "to", "then"), [(100.0, 0.0, 10_000), (100.0, 300.0, 20_000), (300.0, 100.0, 20_000)])
def test_messages_are_due_as_the_rate_says(arrivals: str, rate: float, to: float, then: int) -> None:
    """Over a hundred seconds: the mean of the rates at both ends, times a hundred."""
    plan = replace(PLAN, seconds=100.0, rate=rate, to=to, arrivals=arrivals)
    gap, due, count = _gaps(plan), 0.0, 0
    while due < 100.0:
        due += gap(due)
        count += 1
    assert abs(count - then) < then * (0.01 if arrivals == "even" else 0.04)
