"""What Prometheus may read: every series known, none without bound."""

from __future__ import annotations

from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from authsvc.metrics import FRAME_CAUSES, MISS_CAUSES, NETWORK_KINDS, STAGES, Metrics
from authsvc.model import Reason


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry, products=["prepaid-bps", "credit-business"], listeners=["main"])


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    found = registry.get_sample_value(f"authsvc_{name}", labels)
    assert found is not None, (name, labels)
    return found


def test_decisions(metrics: Metrics, registry: CollectorRegistry) -> None:
    """Decisions are counted by product, outcome and reason."""
    metrics.decided("prepaid-bps", "approved")
    metrics.decided("prepaid-bps", "refused", Reason.PIN_WRONG)
    metrics.decided("prepaid-bps", "refused", Reason.PIN_WRONG)
    assert value(registry, "decisions_total", product="prepaid-bps", outcome="approved", reason="") == 1
    assert value(registry, "decisions_total", product="prepaid-bps", outcome="refused", reason="PIN_WRONG") == 2


def test_stages_links_journal_and_state(metrics: Metrics, registry: CollectorRegistry) -> None:
    """Everything else that issue A asks to see."""
    for stage in STAGES:
        metrics.stage(stage, 0.0004)
    metrics.connected("main")
    metrics.connected("main")
    metrics.disconnected("main")
    metrics.watch_in_flight(lambda: 7)
    for cause in FRAME_CAUSES:
        metrics.frame_refused("main", cause)
    for miss in MISS_CAUSES:
        metrics.state_miss(miss)
    for kind in NETWORK_KINDS:
        metrics.network_message(kind)
    metrics.committed(32, 0.0002)
    metrics.conflict()
    metrics.state_store_failed()
    metrics.state_up(True)
    metrics.ledger_up(True)
    assert [value(registry, "stage_seconds_count", stage=stage) for stage in STAGES] == [1] * len(STAGES)
    assert value(registry, "stage_seconds_bucket", stage="commit", le="0.0005") == 1
    assert value(registry, "stage_seconds_bucket", stage="commit", le="0.00025") == 0
    assert value(registry, "connections", listener="main") == 1
    assert value(registry, "in_flight") == 7
    assert [value(registry, "frames_refused_total", listener="main", cause=cause) for cause in FRAME_CAUSES] == [
        1
    ] * len(FRAME_CAUSES)
    assert [value(registry, "state_misses_total", cause=miss) for miss in MISS_CAUSES] == [1] * 3
    assert [value(registry, "network_messages_total", kind=kind) for kind in NETWORK_KINDS] == [1] * 5
    assert value(registry, "journal_batch_decisions_sum") == 32
    assert value(registry, "journal_commit_seconds_count") == 1
    assert [value(registry, name) for name in ("conflicts_total", "state_store_failures_total")] == [1, 1]
    assert [value(registry, name) for name in ("state_up", "ledger_up")] == [1, 1]


def test_no_label_grows(metrics: Metrics, registry: CollectorRegistry) -> None:
    """Ten thousand made-up products, outcomes, reasons and listeners add one series each at most, and are counted."""
    metrics.decided("nowhere", "refused", cast(Any, "x"))
    metrics.decided("nowhere", cast(Any, "x"), cast(Any, "x"))
    before = metrics.render().count(b"\n")
    for n in range(10_000):
        metrics.decided(f"product {n}", "refused", cast(Any, f"reason {n}"))
        metrics.decided("nowhere", cast(Any, f"outcome {n}"), cast(Any, f"reason {n}"))
        metrics.connected(f"listener {n}")
        metrics.frame_refused(f"listener {n}", "garbage")
    assert metrics.render().count(b"\n") == before
    assert value(registry, "decisions_total", product="none", outcome="refused", reason="other") == 10_001
    assert value(registry, "decisions_total", product="none", outcome="other", reason="other") == 10_001
    assert value(registry, "connections", listener="none") == 10_000


@pytest.mark.parametrize("wrong", ["stage", "frame_refused", "state_miss", "network_message"])
def test_a_name_of_ours_that_does_not_exist_is_our_bug(metrics: Metrics, wrong: str) -> None:
    """Stages, causes and kinds are written in our code; a wrong one is not counted under some other name."""
    arguments = {"stage": ("x", 1.0), "frame_refused": ("main", "x")}.get(wrong, ("x",))
    with pytest.raises(KeyError):
        getattr(metrics, wrong)(*arguments)


def test_render(metrics: Metrics) -> None:
    """Every metric has a help text and our prefix; the build is named."""
    text = metrics.render().decode()
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# HELP")]
    assert len(names) > 10
    assert all(name.startswith("authsvc_") for name in names)
    assert all(len(line.split()) > 3 for line in text.splitlines() if line.startswith("# HELP"))
    assert 'authsvc_build_info{python="3.' in text
    assert 'version="0.' in text
