"""`authsvc top`: rate, latency, refusals and holds of a running engine, live in a terminal; all of it from `/metrics`."""

from __future__ import annotations

import json
import ssl
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypedDict

import click
import httpx
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Group
from rich.live import Live
from rich.table import Table

from authsvc.cli_options import console
from authsvc.errors import AuthsvcError
from authsvc.rules.explain import money

REASONS_SHOWN = 8
HEAD = ("decisions/s", "refused/s", "undecided/s", "p50 ms", "p99 ms", "in flight", "links", "workers")
STAGES = ("decode", "load", "decide", "commit")
"""Of the way of a message; the slow one says where to look."""
Labels = tuple[tuple[str, str], ...]


class UnreadableError(AuthsvcError):
    """A worker's /metrics cannot be read."""


class Sample(NamedTuple):
    """What all workers said at `at` (monotonic seconds), summed over them: value by metric and labels."""

    at: float
    values: dict[str, dict[Labels, float]]

    def total(self, name: str, **labels: str) -> float:
        wanted = set(labels.items())
        return sum(value for each, value in self.values[name].items() if wanted <= set(each))

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        sums: dict[str, float] = defaultdict(float)
        for each, value in self.values[name].items():
            if set(labels.items()) <= set(each):
                sums[dict(each).get(label, "")] += value
        return dict(sums)


class OfProduct(TypedDict):
    """Rates a second; holds None where the ledger does not say."""

    decisions: float
    refused: float
    holds: int | None
    holds_grosze: int | None


class View(NamedTuple):
    """Between two samples. Rates a second, `undecided`: refused without a decision; latencies in milliseconds, None without
    messages; `stages_p99_ms`: 99 of 100 are through that stage within; `holds_grosze`: what open holds set aside."""

    workers: int
    decisions: float
    refused: float
    undecided: float
    p50_ms: float | None
    p99_ms: float | None
    stages_p99_ms: dict[str, float | None]
    in_flight: int
    links: int
    holds: int
    holds_grosze: int
    reasons: dict[str, float]
    products: dict[str, OfProduct]


@click.command()
@click.option("--url", "urls", multiple=True, default=["http://127.0.0.1:8580"], show_default=True, envvar="AUTHSVC_URL",
              help="One for each worker.")  # fmt: skip
@click.option("--ca", default="", envvar="AUTHSVC_CA", help="PEM file of who signed the engine's certificate.")
@click.option("--every", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Seconds.")
@click.option("--once", is_flag=True, help="One look, and end.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each look.")
def top(urls: Sequence[str], ca: str, every: float, once: bool, as_json: bool) -> None:
    """Rate, latency, refusals and holds, live; Ctrl-C ends it. Without a terminal one look after the other is printed."""
    with httpx.Client(verify=ssl.create_default_context(cafile=ca or None), trust_env=False, timeout=5) as client:
        views = _views(client, urls, every)
        if as_json or once or not console().is_terminal:
            for view in views:
                click.echo(json.dumps(view._asdict())) if as_json else console().print(_shown(view))
                if once:
                    return
        with Live(auto_refresh=False, screen=True) as live:
            for view in views:
                live.update(_shown(view), refresh=True)


def _views(client: httpx.Client, urls: Sequence[str], every: float) -> Iterator[View]:
    before = sample(_texts(client, urls))
    while True:
        time.sleep(every)
        after = sample(_texts(client, urls))
        yield view(before, after, len(urls))
        before = after


def _texts(client: httpx.Client, urls: Sequence[str]) -> Iterator[str]:
    for url in urls:
        try:
            yield client.get(f"{url}/metrics").raise_for_status().text
        except httpx.HTTPError as error:
            raise UnreadableError(f"{url}/metrics: {type(error).__name__}") from error


def sample(texts: Iterator[str]) -> Sample:
    values: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))
    for text in texts:
        for family in text_string_to_metric_families(text):
            for each in family.samples:
                if each.value == each.value:  # NaN is not known
                    values[each.name][tuple(sorted(each.labels.items()))] += each.value
    return Sample(time.monotonic(), values)


def view(before: Sample, after: Sample, workers: int) -> View:
    seconds = max(after.at - before.at, 1e-6)
    decisions = _rates(before, after, seconds, "product")
    refused = _rates(before, after, seconds, "product", outcome="refused")
    undecided = _rates(before, after, seconds, "reason", "authsvc_refused_undecided_total")
    reasons = _rates(before, after, seconds, "reason", outcome="refused")
    reasons = {reason: reasons.get(reason, 0.0) + undecided.get(reason, 0.0) for reason in {**reasons, **undecided}}
    return View(
        workers=workers,
        decisions=sum(decisions.values()),
        refused=sum(refused.values()),
        undecided=sum(undecided.values()),
        p50_ms=_quantile(before, after, 0.5),
        p99_ms=_quantile(before, after, 0.99),
        stages_p99_ms={stage: _quantile(before, after, 0.99, stage) for stage in STAGES},
        in_flight=int(after.total("authsvc_in_flight")),
        links=int(after.total("authsvc_connections")),
        holds=int(after.total("authsvc_holds_open")) // workers,  # each worker counts those of all
        holds_grosze=int(after.total("authsvc_holds_open_grosze")) // workers,
        reasons=dict(sorted(((r, n) for r, n in reasons.items() if n), key=lambda each: -each[1])[:REASONS_SHOWN]),
        products=_products(after, decisions, refused, workers),
    )  # fmt: skip


def _products(
    after: Sample, decisions: dict[str, float], refused: dict[str, float], workers: int
) -> dict[str, OfProduct]:
    holds, grosze = (after.by(f"authsvc_product_{name}", "product") for name in ("holds_open", "holds_open_grosze"))
    return {
        name: OfProduct(
            decisions=rate,
            refused=refused.get(name, 0.0),
            holds=int(holds[name]) // workers if name in holds else None,  # each worker counts those of all
            holds_grosze=int(grosze[name]) // workers if name in grosze else None,
        )
        for name, rate in sorted(decisions.items())
        if name != "none" or rate
    }


def _rates(
    before: Sample, after: Sample, seconds: float, label: str, name: str = "authsvc_decisions_total", **labels: str
) -> dict[str, float]:
    """A counter that went back was begun anew: what it says now is all that came since."""
    old, new = (each.by(name, label, **labels) for each in (before, after))
    return {name: _grown(old.get(name, 0.0), value) / seconds for name, value in new.items()}


def _grown(old: float, new: float) -> float:
    return new - old if new >= old else new


def _quantile(before: Sample, after: Sample, share: float, stage: str = "total") -> float | None:
    """Milliseconds of a stage, by default of the whole way of a message, linear inside its bucket, as Prometheus has it."""
    old, new = (each.by("authsvc_stage_seconds_bucket", "le", stage=stage) for each in (before, after))
    counts = sorted((float(le), max(0.0, count - old.get(le, 0.0))) for le, count in new.items())
    if not counts or not counts[-1][1]:
        return None
    wanted, floor, below = share * counts[-1][1], 0.0, 0.0
    for le, count in counts:
        if count >= wanted:
            if le == float("inf"):
                return floor * 1000
            return (floor + (le - floor) * (wanted - below) / (count - below or 1)) * 1000
        floor, below = le, count
    return floor * 1000


def _shown(seen: View) -> Group:
    head = Table(*HEAD, box=None)
    head.add_row(
        f"{seen.decisions:.1f}", f"{seen.refused:.1f}", f"{seen.undecided:.1f}", _ms(seen.p50_ms), _ms(seen.p99_ms),
        str(seen.in_flight), str(seen.links), str(seen.workers),
    )  # fmt: skip
    stages = Table("stage", *seen.stages_p99_ms, box=None)
    stages.add_row("p99 ms", *map(_ms, seen.stages_p99_ms.values()))
    products = Table("product", "decisions/s", "refused/s", "open holds", "held", box=None)
    for name, each in seen.products.items():
        holds, held = each["holds"], each["holds_grosze"]
        products.add_row(
            name, f"{each['decisions']:.1f}", f"{each['refused']:.1f}", "-" if holds is None else str(holds),
            "-" if held is None else money(held),
        )  # fmt: skip
    products.add_row("all", f"{seen.decisions:.1f}", f"{seen.refused:.1f}", str(seen.holds), money(seen.holds_grosze))
    reasons = Table("refused for", "a second", box=None)
    for reason, rate in seen.reasons.items():
        reasons.add_row(reason, f"{rate:.1f}")
    return Group(head, "", stages, "", products, "", reasons)


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
