"""Several rates one after another, and the search for the knee: the highest rate that a host holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from loadtest.generator import Plan
from loadtest.report import Result, Stage

KEPT_UP = 0.95
"""Of the messages that were due, so many have to be answered within the run's own time."""
GROWS = 1.5
CLOSE = 1.05
MOST_TRIES = 16


def held(plan: Plan, result: Result, p99_ms: float) -> bool:
    """Whether the host kept up: answered nearly as fast as messages were due, nothing lost, p99 within its bound."""
    kept_up = result.answered >= KEPT_UP * result.sent and result.seconds <= plan.seconds / KEPT_UP
    return kept_up and not result.links_lost and result.latency.p99 <= p99_ms * 1000


async def find_knee(at: Callable[[float], Awaitable[Stage]], rate: float) -> tuple[list[Stage], float]:
    """Half as much again each time until a rate is not held, then between the two. Returns every try, in order, and the
    highest rate that was held (0: not even the first)."""
    stages: list[Stage] = []
    good, bad = 0.0, 0.0
    while len(stages) < MOST_TRIES and not (bad and bad <= max(good, rate / 64) * CLOSE):
        stages.append(await at(rate))
        if stages[-1].held:
            good = rate
        else:
            bad = rate
        rate = good * GROWS if not bad else (good + bad) / 2
    return stages, good
