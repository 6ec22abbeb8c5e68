"""A table at the end: what each part took, beside its budget. A part above its budget is marked, and fails nothing:
the machine may be busy, and only a person can tell."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

from authsvc import native
from authsvc.enum_members import find_at_once
from bench import page

_BUDGET = re.compile(r"Budget: (\d+(?:\.\d+)?) µs")
PerCall = Callable[..., None]
AT_ONCE = 50
"""Calls under way in the benchmarks that await something: what a busy engine has."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-budgets", action="store_true", help="Put the table into docs/performance.md.")


def pytest_configure(config: pytest.Config) -> None:
    find_at_once()  # as in the engine
    if config.getoption("--benchmark-only"):  # not in `make test`, whose other tests are of the sources
        native.use()
    config.addinivalue_line("filterwarnings", "ignore::cryptography.utils.CryptographyDeprecationWarning:psec")


@pytest.fixture(autouse=True)
def _budget(request: pytest.FixtureRequest) -> None:
    """Every part has a budget in its docstring; it travels with the result, so that JSON reports have it too."""
    found = _BUDGET.search(request.function.__doc__ or "")
    assert found is not None, "the docstring of a benchmark names its budget: 'Budget: 40 µs'"
    if "benchmark" in request.fixturenames:
        request.getfixturevalue("benchmark").extra_info["budget_us"] = float(found[1])


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The event loop the engine runs on, for benchmarks that drive it themselves."""
    made = uvloop.new_event_loop()
    yield made
    made.close()


@pytest.fixture
def per_call(benchmark: Any) -> PerCall:
    """`per_call(function, calls)`: measure a function that makes so many calls; the table shows the time of one.
    `prepare`: makes the argument of each round, outside of what is measured."""

    def measure(function: Callable[..., object], calls: int, prepare: Callable[[], object] | None = None) -> None:
        benchmark.extra_info["calls"] = calls
        setup: Callable[[], object] | None = (lambda: ((prepare(),), {})) if prepare else None
        benchmark.pedantic(function, setup=setup, rounds=100, warmup_rounds=5)

    return measure


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    session = getattr(config, "_benchmarksession", None)
    done = [bench for bench in session.benchmarks if bench] if session else []
    if not done:
        return
    terminalreporter.section("budgets (median of one call)")
    parts = [_part(bench) for bench in done]
    for name, median, budget, verdict in parts:
        terminalreporter.write_line(f"  {name:<44} {median:9.2f} µs   budget {budget:7.1f} µs   {verdict}".rstrip())
    if config.getoption("write_budgets"):
        rows = [(name, f"{median:.1f}", f"{budget:.1f}", verdict) for name, median, budget, verdict in parts]
        table = page.table(("one call", "median µs", "budget µs", ""), rows)
        page.put("parts", [f"{page.machine()}.", "", *table])
    _write_ratios(terminalreporter, {bench.name: bench for bench in done})


def _part(bench: Any) -> tuple[str, float, float, str]:
    """Name, median of one call and budget in µs, verdict."""
    median = bench.stats.median * 1e6 / bench.extra_info.get("calls", 1)
    budget = bench.extra_info["budget_us"]
    name = bench.name.removeprefix("test_").replace("_", " ")
    return name, median, budget, "" if median <= budget else "ABOVE"


def _write_ratios(terminalreporter: Any, done: dict[str, Any]) -> None:
    """Two parts that were measured in the same run, so that a busy machine is busy for both."""
    for bench in done.values():
        other, times = bench.extra_info.get("beside", ("", 0))
        if other in done:
            ratio = done[other].stats.median / bench.stats.median
            text = f"{bench.name} against {other}".replace("test_", "").replace("_", " ")
            verdict = "" if ratio >= times else "BELOW"
            terminalreporter.write_line(f"  {text:<64} {ratio:5.1f} times   budget {times} times   {verdict}".rstrip())
