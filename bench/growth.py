"""What a message costs as things grow: `python -m bench.growth`, some ten minutes; `--write` puts it into docs/performance.md.

Four things grow, one at a time: accounts, open holds of each account, links, messages under way. Each point is an engine of
its own, warmed up; those of one thing are loaded in turns, next to each other, because the machine is not the same from one
minute to the next. Points are kept in a file as they are made, so a run that was cut off goes on; `--fresh` begins anew.
Bounded: the number of points times the seconds of one, and what it takes to prepare it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import click
import msgspec
from msgspec import Struct

from bench import page
from bench.loads import Cpu, Measured
from bench.plot import svg
from bench.stand import ACCOUNTS, LINKS, Shape, Stand, prepared
from loadtest.engine import ROOT

KNEE = 1.25
"""A message that costs so many times what it cost at its cheapest before: there the curve has its knee."""
FULL = 0.9
"""Of the highest rate: what is above it is as good as it gets."""
GROWING: dict[str, tuple[int, ...]] = {
    "accounts": (ACCOUNTS, 30_000, 100_000, 300_000, 1_000_000),
    "open holds": (1, 20, 50, 100, 200),
    "links": (1, LINKS, 64, 250, 500),
    "under way": (1, 8, 64, 500, 2_000),
}
HOLDING_ACCOUNTS = 300
"""So few that each gets its 200 holds in bounded time; one has one message under way at most."""


class Point(Struct, frozen=True):
    """One measurement, medians of its turns. `cpu`: microseconds a message, by who used them; `memory`: MB; `rates`: answers a
    second, turn by turn."""

    growing: str
    value: int
    per_second: float
    p50: int
    p99: int
    cpu: Cpu
    memory: dict[str, float]
    unanswered: int
    rates: tuple[float, ...] = ()

    @property
    def cost(self) -> float:
        """Microseconds of a message, without the generator's own."""
        return sum(used for who, used in self.cpu.items() if who != "generator")


def shape_of(growing: str, value: int) -> Shape:
    """Of one point."""
    if growing == "accounts":
        return Shape(accounts=value, copied=True)
    if growing == "open holds":
        return Shape(accounts=HOLDING_ACCOUNTS, holds=value, under_way=HOLDING_ACCOUNTS // 2)
    if growing == "links":
        return Shape(links=value, under_way=500)
    return Shape(links=min(value, LINKS), under_way=value)


def points_of(growing: str, values: Sequence[int], seconds: float, turns: int) -> list[Point]:
    """Prepare an engine for each, and load them in turns: forwards, then backwards, so that none is always the first."""
    with ExitStack() as running:
        stands = {value: running.enter_context(prepared(shape_of(growing, value))) for value in values}
        found: dict[int, list[Measured]] = {value: [] for value in values}
        for turn in range(turns):
            for value in values if turn % 2 == 0 else reversed(values):
                found[value].append(stands[value].load(seconds / turns, seed=10 + turn))
        return [_point(growing, value, found[value], stands[value]) for value in values]


def _point(growing: str, value: int, turns: Sequence[Measured], stand: Stand) -> Point:
    results = [each.result for each in turns]
    rates = tuple(each.per_second for each in results)
    p50, p99 = (int(median(getattr(each.latency, name) for each in results)) for name in ("p50", "p99"))
    cpu = {who: median(each.cpu[who] for each in turns) for who in turns[0].cpu}
    return Point(
        growing, value, median(rates), p50, p99, cpu, stand.memory, sum(each.unanswered for each in results), rates
    )


def kept(file: Path) -> dict[tuple[str, int], Point]:
    """The points of earlier runs."""
    if not file.exists():
        return {}
    points = [msgspec.json.decode(line, type=Point) for line in file.read_bytes().splitlines()]
    return {(each.growing, each.value): each for each in points}


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--seconds", type=click.FloatRange(1, 600), default=12.0, help="Of each point, all turns together.")
@click.option("--turns", type=click.IntRange(1, 100), default=4, help="In how many the points of one thing are loaded.")
@click.option("--only", type=click.Choice(list(GROWING)), multiple=True, help="Of the four; all when not given.")
@click.option("--upto", type=click.IntRange(1), default=10**9, help="No point above this value.")
@click.option(
    "--file", type=click.Path(path_type=Path), default=ROOT / "var/growth.jsonl", help="Where points are kept."
)
@click.option("--fresh", is_flag=True, help="Measure every point anew.")
@click.option("--write", is_flag=True, help=f"Put tables and plots into {page.PAGE.relative_to(ROOT)}.")
def main(seconds: float, turns: int, only: tuple[str, ...], upto: int, file: Path, fresh: bool, write: bool) -> None:
    """Measure what a message costs as accounts, holds, links and messages under way grow."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as Ctrl-C does: nothing that was started is left behind
    file.parent.mkdir(parents=True, exist_ok=True)
    if fresh:
        file.unlink(missing_ok=True)
    points = kept(file)
    for growing, values in _wanted(only, upto):
        if all((growing, value) in points for value in values):
            continue
        for made in points_of(growing, values, seconds, turns):
            points[growing, made.value] = made
            with file.open("ab") as lines:
                lines.write(msgspec.json.encode(made) + b"\n")
            click.echo(f"{growing} {made.value}: {made.per_second:.0f} a second, {made.cost:.0f} µs")
    lines_ = list(_lines(points))
    click.echo("\n".join(lines_))
    if write:
        page.put("growth", [f"{page.machine()}, {seconds:.0f} s a point in {turns} turns, medians.", "", *lines_])
        for growing in GROWING:
            _draw(growing, _of(points, growing))


def _wanted(only: tuple[str, ...], upto: int) -> Iterator[tuple[str, list[int]]]:
    for growing, values in GROWING.items():
        if growing in (only or GROWING):
            yield growing, [value for value in values if value <= upto]


def _of(points: dict[tuple[str, int], Point], growing: str) -> list[Point]:
    return sorted((each for each in points.values() if each.growing == growing), key=lambda each: each.value)


def knee_of(points: Sequence[Point]) -> tuple[Point, str] | None:
    """Where the curve turns, and why; None when it does not."""
    under_way = bool(points) and points[0].growing == "under way"
    return _saturated(points) if under_way else _dearer(points)


def _dearer(points: Sequence[Point]) -> tuple[Point, str] | None:
    """The first point that costs `KNEE` times the cheapest before it, and who takes the most of what was added."""
    for turn, each in enumerate(points):
        cheapest = min(points[:turn], key=lambda one: one.cost, default=each)
        if each.cost > KNEE * cheapest.cost:
            ours = {who: used - cheapest.cpu[who] for who, used in each.cpu.items() if who != "generator"}
            who = max(ours, key=lambda name: ours[name])
            return each, f"{who} takes {ours[who]:.0f} of the {each.cost - cheapest.cost:.0f} µs more"
    return None


def _saturated(points: Sequence[Point]) -> tuple[Point, str]:
    """More under way makes a message cheaper, until somebody is busy all the time; from there on it only waits longer."""
    most = max(each.per_second for each in points)
    knee = next(each for each in points if each.per_second >= FULL * most)
    who = max(knee.cpu, key=lambda name: knee.cpu[name])
    return knee, f"more only waits longer; {who} is busy {knee.cpu[who] * knee.per_second / 1e6:.0%} of a core by then"


def _lines(points: dict[tuple[str, int], Point]) -> Iterator[str]:
    """Markdown: a table for each that grows, its plot, its knee."""
    for growing in GROWING:
        found = _of(points, growing)
        if not found:
            continue
        who = [name for name in found[0].cpu if any(each.cpu[name] >= 0.5 for each in found)]
        yield f"### {growing.capitalize()}\n"
        header = (
            growing,
            "a second",
            "of the first",
            "p50 ms",
            "p99 ms",
            "µs a message",
            *who,
            "engine MB",
            "Valkey MB",
        )
        yield from page.table(header, [_row(each, found[0], who) for each in found])
        yield f"\n![cost of a message by {growing}]({_plot_file(growing).name})\n"
        knee = knee_of(found)
        yield (
            "No knee: nothing costs a quarter more than before.\n"
            if knee is None
            else f"Knee at {knee[0].value}: {knee[1]}.\n"
        )


def _row(each: Point, first: Point, who: Sequence[str]) -> list[str]:
    used = [f"{each.cpu[name]:.0f}" for name in who]
    times = [f"{each.p50 / 1000:.1f}", f"{each.p99 / 1000:.1f}"]
    memory = [f"{each.memory[name]:.0f}" for name in ("engine", "Valkey")]
    return [
        f"{each.value}",
        f"{each.per_second:.0f}",
        _of_the_first(each, first),
        *times,
        f"{each.cost:.0f}",
        *used,
        *memory,
    ]


def _of_the_first(each: Point, first: Point) -> str:
    """Its rate over that of the first in the same turn: the median, and from where to where."""
    if each is first or len(each.rates) != len(first.rates):
        return ""
    ratios = sorted(own / of_first for own, of_first in zip(each.rates, first.rates, strict=True))
    return f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})" if ratios else ""


def _plot_file(growing: str) -> Path:
    return page.PAGE.with_name(f"growth-{growing.replace(' ', '-')}.svg")


def _draw(growing: str, points: Sequence[Point]) -> None:
    if points:
        ours = [name for name in points[0].cpu if name != "generator"]
        curves = {"all": [(each.value, each.cost) for each in points]}
        curves |= {name: [(each.value, each.cpu[name]) for each in points] for name in ours}
        knee = knee_of(points)
        drawn = svg(f"CPU a message by {growing}", growing, "µs", curves, None if knee is None else knee[0].value)
        _plot_file(growing).write_text(drawn, "utf-8")


if __name__ == "__main__":
    main()
