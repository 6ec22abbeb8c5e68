"""The rules, on an account with ten open holds and 64 remembered messages. Not measured: loading it."""

from __future__ import annotations

from typing import Any

from authsvc.model import Approved
from authsvc.rules.decide import decide
from authsvc.rules.evolve import evolve
from bench.world import NOON, world


def test_decide(benchmark: Any) -> None:
    """A purchase by chip and PIN that every rule lets pass. Budget: 20 µs"""
    given = world()
    decision = benchmark(decide, given.request, given.account, given.product, NOON)
    assert isinstance(decision.outcome, Approved)


def test_evolve(benchmark: Any) -> None:
    """The account after it. Budget: 6 µs"""
    given = world()
    assert benchmark(evolve, given.account, given.decision).seq == given.decision.seq
