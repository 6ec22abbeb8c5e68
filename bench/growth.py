"""What a message costs as things grow: `python -m bench.growth`. Accounts, open holds of one, links, messages under way.

Every point is an engine of its own on freshly imported accounts, a short load to warm it, and a closed loop that is
measured. What is measured is kept in a file, so a run that was stopped goes on with the points that are missing; --again
measures anew.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
import uvloop
from msgspec import Struct
from msgspec.structs import replace

from bench import performance
from bench.system import ZONE, Bank, imported, measured, watching
from loadtest import accounts, mix
from loadtest.__main__ import Target, run
from loadtest.engine import HOST, ROOT, PrivateEngine
from loadtest.generator import Plan
from loadtest.page import Line, plot
from loadtest.report import Result
from loadtest.traffic import Payer, payers_of

KEPT = ROOT / "var" / "growth.json"
PLOTS = ROOT / "docs" / "growth"
DEARER = 1.25
"""The knee: the first point at which a message costs so many times what it cost at the cheapest one before it."""
MOST = 10_000_000
NOT_OURS = "generator"


class Case(NamedTuple):
    """One point. `holds`: open ones of each account before it is measured; `under_way`: of all links together."""

    series: str
    value: int
    accounts: int = 10_000
    holds: int = 0
    links: int = 8
    under_way: int = 256

    @property
    def name(self) -> str:
        return f"{self.series} {self.value}"


def cases(largest: int) -> list[Case]:
    """All of them, the cheap ones first; `largest`: most accounts."""
    made = [Case("links", count, links=count, under_way=max(256, count)) for count in (1, 4, 16, 64, 256, 500)]
    made += [Case("under way", count, links=min(8, count), under_way=count) for count in (1, 8, 32, 128, 512, 2_000)]
    made += [Case("open holds", count, accounts=600, holds=count) for count in (1, 10, 25, 50, 100, 200)]
    made += [Case("accounts", count, accounts=count) for count in (10_000, 30_000, 100_000, 300_000, 1_000_000)]
    return [case for case in made if case.accounts <= largest]


class Point(Struct, frozen=True):
    """`cpu`: microseconds a message by who used them; `latency` in microseconds; `clean`: every answer was right."""

    series: str
    value: int
    per_second: float
    p50: int
    p99: int
    cpu: dict[str, float]
    clean: bool
    seconds: float

    @property
    def cost(self) -> float:
        """CPU microseconds of a message, without the generator's own."""
        return sum(spent for who, spent in self.cpu.items() if who != NOT_OURS)


def measure(case: Case, seconds: float) -> Point:
    with tempfile.TemporaryDirectory(prefix="growth-") as name:
        bank = imported(Path(name), case.accounts, name=case.name)
        with PrivateEngine("system", bank.settings, bank.data_dir) as engine:
            payers = payers_of(bank.cards, ZONE, accounts.fresh(bank.made_of.accounts, bank.cards))
            target = Target(HOST, engine.iso_port, ZONE)
            _prepare(target, bank, payers, case, seconds)
            each = max(1, case.under_way // case.links)
            plan = Plan(links=case.links, seconds=seconds, most=MOST, under_way=each, seed=7)
            found = measured(case.name, watching(engine), lambda: _load(target, plan, _steady(bank, case), payers))
    latency, result = found.result.latency, found.result
    return Point(
        case.series, case.value, result.per_second, latency.p50, latency.p99, found.cpu, result.clean, result.seconds
    )


def _prepare(target: Target, bank: Bank, payers: Sequence[Payer], case: Case, seconds: float) -> None:
    """Warm, and with as many open holds as the case asks for: by payments that nobody presents."""
    plan = Plan(links=8, seconds=600.0, most=case.holds * len(payers), under_way=32, seed=3)
    if case.holds:
        _load(target, plan, replace(_only(bank.made_of), zipf=0.0), payers)
    _load(target, replace(plan, most=MOST, seconds=min(3.0, seconds)), _steady(bank, case), payers)


def _load(target: Target, plan: Plan, made_of: mix.Mix, payers: Sequence[Payer]) -> Result:
    return uvloop.run(run(target, plan, made_of, payers))


def _only(made_of: mix.Mix) -> mix.Mix:
    """Payments alone: each leaves a hold."""
    none = mix.Afterwards(share=0)
    return replace(
        made_of,
        contactless=None,
        atm=None,
        web=None,
        wrong_pin=None,
        advice=None,
        presentment=none,
        reversal=none,
        repeat=none,
    )


def _steady(bank: Bank, case: Case) -> mix.Mix:
    """The demo mix, every card as often as any other; where holds are counted, as many go as come."""
    if not case.holds:
        return replace(bank.made_of, zipf=0.0)
    paid = _only(bank.made_of)
    assert paid.chip_pin is not None
    return replace(paid, zipf=0.0, presentment=mix.Afterwards(share=paid.chip_pin.share))


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--seconds", type=click.FloatRange(1, 600), default=10.0, help="Of each point.")
@click.option("--largest", type=click.IntRange(1_000, 10_000_000), default=1_000_000, help="Most accounts.")
@click.option("--only", default="", help="This series alone: links, under way, open holds, accounts.")
@click.option("--again", is_flag=True, help="Forget what was measured before.")
@click.option("--kept", type=click.Path(path_type=Path), default=KEPT, help="Where points are kept.")
@click.option("--write", is_flag=True, help="Put tables and plots into docs/.")
def main(seconds: float, largest: int, only: str, again: bool, kept: Path, write: bool) -> None:
    """Measure each point that is not measured yet, then tell all of them."""
    points = {} if again or not kept.exists() else msgspec.json.decode(kept.read_bytes(), type=dict[str, Point])
    for case in cases(largest):
        if case.name in points or (only and case.series != only):
            continue
        click.echo(f"{case.name} …", err=True)
        points[case.name] = measure(case, seconds)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(msgspec.json.format(msgspec.json.encode(points), indent=1))
    lines = list(tables(list(points.values())))
    click.echo("\n".join(lines))
    if write:
        draw(list(points.values()), PLOTS)
        performance.write("growth", [_measured_by(), "", *lines])


def _measured_by() -> str:
    said = " ".join(["python -m bench.growth", *sys.argv[1:]])
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    return f"`{said}`, {datetime.now(UTC):%Y-%m-%d}: {machine}; closed loop; CPU is that of a message, in µs."


def _series(points: Sequence[Point]) -> Iterator[tuple[str, list[Point]]]:
    for name in dict.fromkeys(point.series for point in points):
        yield name, sorted((point for point in points if point.series == name), key=lambda point: point.value)


def tables(points: Sequence[Point]) -> Iterator[str]:
    """Markdown: a table for each series, its knee and its plot."""
    for name, found in _series(points):
        who = [each for each in found[0].cpu if each != NOT_OURS]
        yield f"### {name.capitalize()}"
        yield ""
        yield f"| {name} | answers a second | p50 ms | p99 ms | CPU of all | {' | '.join(who)} |"
        yield f"|---:|---:|---:|---:|---:|{'---:|' * len(who)}"
        for point in found:
            spent = " | ".join(f"{point.cpu[each]:.0f}" for each in who)
            mark = "" if point.clean else " (not clean)"
            yield (
                f"| {point.value:,}{mark} | {point.per_second:.0f} | {point.p50 / 1000:.1f} | {point.p99 / 1000:.1f} "
                f"| {point.cost:.0f} | {spent} |"
            )
        yield from ("", knee(name, found), "", f"![{name}](growth/{_file(name)})", "")


def knee(name: str, found: Sequence[Point]) -> str:
    """Where a message begins to cost more than a quarter more than before, and whose part of it grew most."""
    cheapest = found[0]
    for point in found[1:]:
        if point.cost > cheapest.cost * DEARER:
            grew = {who: point.cpu[who] - cheapest.cpu[who] for who in point.cpu if who != NOT_OURS}
            most = max(grew, key=lambda who: grew[who])
            return (
                f"Knee: at {point.value:,} {name} a message costs {point.cost / cheapest.cost:.2f} times what it does at "
                f"{cheapest.value:,}; of the {sum(grew.values()):.0f} µs more, {grew[most]:.0f} are the {most}'s."
            )
        cheapest = min(cheapest, point, key=lambda each: each.cost)
    return f"No knee: up to {found[-1].value:,} {name} no message costs more than a quarter more than before."


def draw(points: Sequence[Point], folder: Path) -> None:
    """One SVG for each series: CPU by who used it, against what grows."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in _series(points):
        who = [each for each in found[0].cpu if each != NOT_OURS and any(point.cpu[each] >= 1 for point in found)]
        lines = [Line(each, [(point.value, point.cpu[each]) for point in found]) for each in who]
        text = plot(lines, "", log_x=True).replace(">", "><style>text{font:11px sans-serif;fill:#444}</style>", 1)
        (folder / _file(name)).write_text(text, "utf-8")


def _file(name: str) -> str:
    return f"{name.replace(' ', '-')}.svg"


if __name__ == "__main__":
    main()
