"""`authsvc top`: what is made of two readings of /metrics."""

from __future__ import annotations

import pytest

from authsvc.cli_top import Sample, sample, view


def at(seconds: float, *texts: str) -> Sample:
    return sample(iter(texts))._replace(at=seconds)


def counted(approved: int, refused: int, fast: int = 0, slow: int = 0, undecided: int = 0) -> str:
    return (
        "# TYPE authsvc_decisions counter\n"
        f'authsvc_decisions_total{{product="p",outcome="approved",reason=""}} {approved}\n'
        f'authsvc_decisions_total{{product="p",outcome="refused",reason="EXPIRED"}} {refused}\n'
        "# TYPE authsvc_refused_undecided counter\n"
        f'authsvc_refused_undecided_total{{reason="FORMAT_ERROR"}} {undecided}\n'
        "# TYPE authsvc_stage_seconds histogram\n"
        f'authsvc_stage_seconds_bucket{{stage="total",le="0.001"}} {fast}\n'
        f'authsvc_stage_seconds_bucket{{stage="total",le="0.1"}} {fast + slow}\n'
        f'authsvc_stage_seconds_bucket{{stage="total",le="+Inf"}} {fast + slow}\n'
        '# TYPE authsvc_product_holds_open gauge\nauthsvc_product_holds_open{product="p"} 6\n'
        '# TYPE authsvc_product_holds_open_grosze gauge\nauthsvc_product_holds_open_grosze{product="p"} 4200\n'
        "# TYPE authsvc_holds_open gauge\nauthsvc_holds_open 7\n"
        "# TYPE authsvc_holds_open_grosze gauge\nauthsvc_holds_open_grosze NaN\n"
    )


def test_rates_of_two_workers() -> None:
    """Rates are sums over workers; open holds, which each worker counts whole, are not."""
    seen = view(at(0, counted(10, 1), counted(0, 0)), at(2, counted(30, 1), counted(10, 4)), 2)
    assert (seen.decisions, seen.refused, seen.holds) == (17.0, 2.0, 7)
    assert seen.products == {"p": {"decisions": 17.0, "refused": 2.0, "holds": 6, "holds_grosze": 42_00}}
    assert seen.reasons == {"EXPIRED": 2.0}
    assert seen.holds_grosze == 0  # not known


def test_a_counter_begun_anew() -> None:
    """A worker that was restarted has not decided less than nothing."""
    assert view(at(0, counted(100, 0)), at(1, counted(5, 0)), 1).decisions == 5.0


def test_what_no_decision_stands_behind() -> None:
    """To who asked it is a refusal as well."""
    seen = view(at(0, counted(0, 0)), at(1, counted(9, 1, undecided=8)), 1)
    assert (seen.decisions, seen.refused, seen.undecided) == (10.0, 1.0, 8.0)
    assert seen.reasons == {"FORMAT_ERROR": 8.0, "EXPIRED": 1.0}


@pytest.mark.parametrize(("fast", "slow", "p50", "p99"), [(100, 0, 0.5, 0.99), (98, 2, 0.51, 50.5), (0, 0, None, None)])
def test_latency(fast: int, slow: int, p50: float | None, p99: float | None) -> None:
    """Linear inside a bucket, as Prometheus has it: half of a hundred below 1 ms is 0.5 ms."""
    seen = view(at(0, counted(0, 0)), at(1, counted(0, 0, fast, slow)), 1)
    assert seen.p50_ms == (p50 if p50 is None else pytest.approx(p50, rel=0.02))
    assert seen.p99_ms == (p99 if p99 is None else pytest.approx(p99, rel=0.02))
