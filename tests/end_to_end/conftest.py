"""One engine for all tests that leave it whole, a `Bank` on it for each test; an engine of its own for those that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2e_bank import Bank
from e2e_both_programs import difference
from e2e_process import EngineProcess, run


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """Shared; whoever uses it leaves it running, with its clock anywhere. Decided again by the same product files, all that
    these tests made it decide must come out the same; and the same must become of it, compiled or not."""
    shared = EngineProcess(tmp_path_factory.mktemp("shared") / "data").start()
    yield shared
    shared.stop()
    again = run("replay", *shared.settings, "--products", "config/products")
    assert again.returncode == 0, again.stdout + again.stderr
    assert difference(shared.data_dir / "ledger.sqlite") == ""


@pytest.fixture
def bank(engine: EngineProcess) -> Iterator[Bank]:
    """The shared engine at noon of 15 June 2026 in Warsaw, on a fresh link."""
    bank = Bank(engine)
    yield bank
    bank.close()


Start = Callable[..., EngineProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start("KEY=VALUE", …, data="name")`: engines of the test's own; those still running are stopped after it."""
    started: list[EngineProcess] = []

    def begin(*overrides: str, data: str = "data", clock: str = "simulated") -> EngineProcess:
        engine = EngineProcess(tmp_path / data, *overrides, clock=clock)
        started.append(engine)
        return engine.start()

    yield begin
    for engine in started:
        if engine.is_running:
            engine.stop()
