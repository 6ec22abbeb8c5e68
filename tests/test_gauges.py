"""How things stand, as of the scrape."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from authsvc.gauges import Gauges, Held, OpenHolds

NOON = 1_781_517_600_000


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def value(registry: CollectorRegistry, name: str) -> float:
    found = registry.get_sample_value(f"authsvc_{name}")
    assert found is not None, name
    return found


HOLDS = ("holds_open", "holds_open_grosze", "holds_oldest_seconds", "holds_expiring", "holds_overdue_seconds")


@pytest.mark.parametrize(
    ("found", "then"),
    [
        (OpenHolds(), (0, 0, 0, 0, 0)),
        (OpenHolds(3, 45_00, NOON - 90_000, NOON + 5_000, 2), (3, 45_00, 90, 2, 0)),
        (OpenHolds(1, 1_00, NOON - 90_000, NOON - 7_000, 1), (1, 1_00, 90, 1, 7)),  # the sweeper is late
        (OpenHolds(1, 1_00, NOON + 1, NOON + 9, 1), (1, 1_00, 0, 1, 0)),  # the clock was turned back
    ],
)
def test_holds(registry: CollectorRegistry, found: OpenHolds, then: tuple[float, ...]) -> None:
    """Number, grosze, ages in seconds."""
    Gauges(registry).holds(found, NOON)
    assert tuple(value(registry, name) for name in HOLDS) == then


def test_holds_that_cannot_be_read(registry: CollectorRegistry) -> None:
    """No number, rather than an old one."""
    gauges = Gauges(registry)
    gauges.holds(OpenHolds(3, 45_00, NOON, NOON, 2), NOON)
    gauges.holds(None, NOON)
    assert all(math.isnan(value(registry, name)) for name in HOLDS)


def test_holds_by_product(registry: CollectorRegistry) -> None:
    """Of each product; of none when it cannot be read."""
    gauges = Gauges(registry)
    gauges.held({"p": Held(3, 45_00), "q": Held()})
    names = ("authsvc_product_holds_open", "authsvc_product_holds_open_grosze")
    assert [registry.get_sample_value(name, {"product": "p"}) for name in names] == [3, 45_00]
    assert [registry.get_sample_value(name, {"product": "q"}) for name in names] == [0, 0]
    gauges.held(None)
    assert [registry.get_sample_value(name, {"product": "p"}) for name in names] == [None, None]


@pytest.mark.parametrize(("wall", "ahead"), [(10_000, 0), (10_500, 0.5), (3_610_000, 3600), (0, -10)])
def test_a_clock_that_jumps(registry: CollectorRegistry, wall: int, ahead: float) -> None:
    """Ten seconds have passed; what the clock says beyond them is the jump."""
    times = {"wall": NOON, "monotonic": 5.0}
    Gauges(registry).watch_clock(lambda: int(times["wall"]), lambda: times["monotonic"])
    times = {"wall": NOON + wall, "monotonic": 15.0}
    assert value(registry, "clock_ahead_seconds") == pytest.approx(ahead)
    assert value(registry, "clock_seconds") == (NOON + wall) / 1000


def test_files(registry: CollectorRegistry, tmp_path: Path) -> None:
    """The ledger's files that exist, and the file system they are on."""
    (tmp_path / "ledger").write_bytes(b"x" * 100)
    Gauges(registry).watch_files(tmp_path, ("ledger", "ledger-wal"))
    assert value(registry, "ledger_bytes") == 100
    assert 0 < value(registry, "disk_free_bytes") <= value(registry, "disk_size_bytes")
