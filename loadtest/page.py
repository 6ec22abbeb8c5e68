"""The report as one HTML page: nothing is loaded from anywhere, the plots are SVG in it.

Drawn here and by no library: three kinds of line in a box. What draws better weighs megabytes (docs/decisions/0032).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from loadtest.report import Report, Stage, code_counts
from loadtest.timeline import Second

WIDTH, HEIGHT, LEFT, BOTTOM = 860, 240, 64, 28
COLOURS = ("#1769aa", "#c2410c", "#15803d", "#7e22ce")
STYLE = """
body{font:14px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:right}
td:first-child,th:first-child{text-align:left}
.bad{color:#b91c1c;font-weight:600}svg{width:100%;height:auto}text{font:11px system-ui,sans-serif;fill:#444}
"""
Point = tuple[float, float]


class Line(NamedTuple):
    """One line of a plot."""

    name: str
    points: Sequence[Point]


def page(report: Report) -> str:
    """The whole document."""
    body = "\n".join((*_head(report), *_plots(report), *_stages(report), *_codes(report), *_wrong(report)))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Load report</title>'
        f"<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _head(report: Report) -> Iterator[str]:
    results = [stage.result for stage in report.stages]
    answered, wrong = sum(found.answered for found in results), sum(found.wrong for found in results)
    yield f"<h1>Load on {escape(report.host)}</h1><p>{escape(report.begun)}</p>"
    if report.knee is not None:
        yield f"<p>The knee: <b>{report.knee:.0f}</b> messages a second were the most that was held.</p>"
    mark = ' class="bad"' if wrong else ""
    yield (
        f"<p>{answered} answers, <b{mark}>{wrong} wrong</b>, {sum(found.unchecked for found in results)} unchecked, "
        f"{sum(found.unanswered for found in results)} unanswered, {sum(found.garbled for found in results)} garbled, "
        f"{sum(found.links_lost for found in results)} links lost. The generator used "
        f"{max((found.cpu for found in results), default=0):.1f} µs of processor time a message at most.</p>"
    )


def _plots(report: Report) -> Iterator[str]:
    seconds = list(_one_after_another(report.stages))
    yield "<h2>Latency over time (ms, from the moment a message was due)</h2>"
    lines = [Line(name, [(at, getattr(one, name) / 1000) for at, one in seconds]) for name in ("p50", "p99", "max")]
    yield plot(lines, "s", log_y=True)
    yield "<h2>Messages a second</h2>"
    yield plot(list(_rates(seconds)), "s")
    yield "<h2>Percentiles (ms)</h2>"
    yield plot([_percentiles(stage) for stage in report.stages], "per cent", log_y=True, nines=True)


def _one_after_another(stages: Sequence[Stage]) -> Iterator[tuple[float, Second]]:
    """All seconds on one axis."""
    before = 0.0
    for stage in stages:
        for second in stage.result.timeline:
            yield before + second.at, second
        before += stage.result.timeline[-1].at if stage.result.timeline else 0.0


def _rates(seconds: Sequence[tuple[float, Second]]) -> Iterator[Line]:
    names: tuple[tuple[str, str], ...] = (
        ("due", "offered"), ("answered", "answered"), ("refused", "refused"), ("wrong", "wrong"),
    )  # fmt: skip
    lengths = _lengths(seconds)
    for name, field in names:
        points = [
            (at, getattr(one, field) / length)
            for (at, one), length in zip(seconds, lengths, strict=True)
            if length > 0.2
        ]  # the rest of a last interval is too short to be a rate
        yield Line(name, points)


def _lengths(seconds: Sequence[tuple[float, Second]]) -> list[float]:
    ends = [at for at, _ in seconds]
    return [end - before for before, end in zip([0.0, *ends], ends, strict=False)]


def _percentiles(stage: Stage) -> Line:
    name = f"{stage.offered:.0f}/s" if stage.offered else "closed loop"
    return Line(name, [(percent, value / 1000) for percent, value in stage.result.percentiles])


def _nines(percent: float) -> float:
    """0 → 0, 90 → 1, 99 → 2, 99.9 → 3: so that the tail has room."""
    return min(4.5, -math.log10(max(1 - percent / 100, 10**-4.5)))


def plot(lines: Sequence[Line], unit: str, log_y: bool = False, nines: bool = False) -> str:
    """One box with its axes; `log_y`: a logarithmic scale; `nines`: x is a percentile, drawn by its nines."""
    across = _nines if nines else float
    points = [(across(x), y) for line in lines for x, y in line.points]
    if not points:
        return "<p>nothing came</p>"
    low_y, high_y = _range([y for _, y in points], log_y)
    least, most = min(x for x, _ in points), max(x for x, _ in points)

    def place(point: Point) -> str:
        x, y = across(point[0]), _scaled(point[1], log_y)
        right = LEFT + (x - least) / ((most - least) or 1) * (WIDTH - LEFT - 10)
        down = (HEIGHT - BOTTOM) - (y - low_y) / ((high_y - low_y) or 1) * (HEIGHT - BOTTOM - 12)
        return f"{right:.1f},{down:.1f}"

    drawn = [
        *_grid(low_y, high_y, log_y, place, least if not nines else 0.0),
        *_across(least, most, unit, nines, place),
    ]
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        drawn.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{" ".join(map(place, line.points))}"/>'
        )
        drawn.append(f'<text x="{LEFT + 8 + 110 * number}" y="12" style="fill:{colour}">{escape(line.name)}</text>')
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(drawn)}</svg>'


def _scaled(value: float, log_y: bool) -> float:
    return math.log10(max(value, 0.001)) if log_y else value


def _range(values: Sequence[float], log_y: bool) -> tuple[float, float]:
    if log_y:
        return math.floor(_scaled(min(values), True)), math.ceil(_scaled(max(values), True))
    return 0.0, max(*values, 1e-9, 1.0) if len(values) > 1 else max(values[0], 1.0)


def _grid(low: float, high: float, log_y: bool, place: object, at: float) -> Iterator[str]:
    assert callable(place)
    values = (
        [10.0**power for power in range(int(low), int(high) + 1)]
        if log_y
        else [low + (high - low) * n / 4 for n in range(5)]
    )
    for value in values:
        down = place((at, value)).partition(",")[2]
        yield f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{down}" y2="{down}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 6}" y="{float(down) + 4:.1f}" text-anchor="end">{value:g}</text>'


def _across(least: float, most: float, unit: str, nines: bool, place: object) -> Iterator[str]:
    assert callable(place)
    values = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99] if nines else [least + (most - least) * n / 6 for n in range(7)]
    for value in values:
        right = place((value, 1.0)).partition(",")[0]
        text = f"{value:g}" if nines else f"{value:.0f}"
        yield f'<text x="{right}" y="{HEIGHT - 10}" text-anchor="middle">{text}</text>'
    yield f'<text x="{WIDTH - 10}" y="{HEIGHT - 10}" text-anchor="end">{escape(unit)}</text>'


def _stages(report: Report) -> Iterator[str]:
    yield "<h2>Rates</h2><table><tr><th>due a second</th><th>answered a second</th><th>p50 ms</th><th>p90</th>"
    yield "<th>p99</th><th>p99.9</th><th>max</th><th>refused</th><th>wrong</th><th>unanswered</th><th></th></tr>"
    for stage in report.stages:
        found, late = stage.result, stage.result.latency
        cells = (
            f"{stage.offered:.0f}" if stage.offered else "closed loop", f"{found.per_second:.0f}",
            *(f"{value / 1000:.2f}" for value in (late.p50, late.p90, late.p99, late.p999, late.max)),
            found.refused, found.wrong, found.unanswered, "" if stage.held else "not held",
        )  # fmt: skip
        yield _row(*cells)
    yield "</table>"


def _codes(report: Report) -> Iterator[str]:
    yield "<h2>Answers by DE39</h2><table>"
    for stage in report.stages:
        for kind, codes in sorted(stage.result.codes.items()):
            yield _row(kind, f"{stage.offered:.0f}/s" if len(report.stages) > 1 else "", code_counts(codes))
    yield "</table>"


def _wrong(report: Report) -> Iterator[str]:
    yield "<h2>Wrong answers</h2><table><tr><th>kind</th><th>how many</th><th>one of them</th></tr>"
    for stage in report.stages:
        for kind, one in sorted(stage.result.examples.items()):
            where = f"amount {one.amount}, RRN {one.rrn}, STAN {one.stan}, card ··{one.last4}"
            told = f"{one.answered} instead of {one.expected}; {where}"
            yield _row(kind, stage.result.wrong_by_kind[kind], told)
    yield "</table>" if any(stage.result.wrong for stage in report.stages) else "</table><p>None.</p>"


def _row(*cells: object) -> str:
    return f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in cells)}</tr>"
