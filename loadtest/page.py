"""The report as one HTML page: nothing is loaded from anywhere, the plots are SVG in it (module `plot`)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from msgspec.structs import replace

from loadtest import plot
from loadtest.plot import Line
from loadtest.report import Report, Stage
from loadtest.timeline import Second

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c;background:#fff}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:2rem 0 0}p{margin:.4rem 0}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;margin:.4rem 0;font-variant-numeric:tabular-nums}
td,th{white-space:nowrap;padding:.2rem .7rem .2rem 0;text-align:right;vertical-align:top;border-bottom:1px solid #e5e5e5}
.text td{white-space:normal}.text td,.text th,td:first-child,th:first-child{text-align:left}
.bad{color:#b91c1c;font-weight:600}
"""
MOST_POINTS = 400
"""Of a line: about two pixels each."""
TOO_SHORT = 0.2
"""Seconds: the rest of a last interval is too few answers to be a rate or a percentile. The tables have them all."""


class Moment(NamedTuple):
    """An interval of a run of several stages. `at`: its end on the axis of all of them; `length`: seconds."""

    at: float
    length: float
    second: Second


def page(report: Report) -> str:
    """The whole document."""
    body = "\n".join((*_head(report), *_plots(report), *_stages(report), *_codes(report), *_wrong(report)))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Load report</title>'
        f"<style>{STYLE}{plot.STYLE}</style></head><body>\n{body}\n</body></html>\n"
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
    every = list(_one_after_another(report.stages))
    together = math.ceil(len(every) / MOST_POINTS) or 1
    moments = [_gathered(every[start : start + together]) for start in range(0, len(every), together)]
    if together > 1:
        yield f"<p>A point stands for {together} intervals: their worst p99 and max, the middle one of their p50.</p>"
    across = plot.along("seconds since the first message", [one.at for one in moments])
    marks = list(_beginnings(report.stages)) if _several(report) else []
    latencies = [Line(name, _latency(moments, field)) for name, field in LATENCIES]
    drawn = (
        ("Latency over time, from the moment a message was due", latencies, plot.logarithmic, "milliseconds"),
        ("Messages a second", _rates(moments, DUE, ANSWERED), plot.linear, "a second"),
        ("Refused and wrong", _rates(moments, REFUSED, WRONG), plot.linear, "a second"),
    )  # fmt: skip
    for title, lines, axis, unit in drawn:
        values = [value for line in lines for _, value in line.points if value is not None]
        yield f"<h2>{title}</h2>"
        nothing = title.startswith("Refused") and not any(values)
        yield "<p>None.</p>" if nothing else plot.plot(lines, across, axis(unit, values), marks)
    yield "<h2>Latency by percentile</h2>"
    yield _percentiles(report.stages)


DUE, ANSWERED = Line("due", [], wide=True, colour="#9dbfe0"), Line("answered", [])
REFUSED, WRONG = Line("refused (DE39 not 00)", [], wide=True, colour="#e0b57a"), Line("wrong", [], colour="#b91c1c")
FIELDS = {DUE.name: "offered", ANSWERED.name: "answered", REFUSED.name: "refused", WRONG.name: "wrong"}
LATENCIES = (("p50", "p50"), ("p99", "p99"), ("max", "max"))


def _one_after_another(stages: Sequence[Stage]) -> Iterator[Moment]:
    """All intervals on one axis, but for what is too short beside others."""
    before = 0.0
    for stage in stages:
        last = 0.0
        for second in stage.result.timeline:
            if second.at - last > TOO_SHORT or len(stage.result.timeline) == 1:
                yield Moment(before + second.at, second.at - last, second)
            last = second.at
        before += last


def _gathered(moments: Sequence[Moment]) -> Moment:
    """One of several that follow each other. Percentiles of all their answers are not known any more: the worst is told."""
    seconds, last = [one.second for one in moments], moments[-1]
    counts = {name: sum(getattr(one, name) for one in seconds) for name in ("offered", "answered", "refused", "wrong")}
    answered = [one for one in seconds if one.answered]
    if answered:
        counts["p50"] = sorted(one.p50 for one in answered)[len(answered) // 2]
        counts |= {name: max(getattr(one, name) for one in answered) for name in ("p99", "max")}
    return Moment(last.at, sum(one.length for one in moments), replace(last.second, **counts))


def _beginnings(stages: Sequence[Stage]) -> Iterator[tuple[float, str]]:
    at = 0.0
    for stage in stages:
        yield at, _name(stage)
        at += stage.result.timeline[-1].at if stage.result.timeline else 0.0


def _name(stage: Stage) -> str:
    if not stage.offered:
        return "closed loop"
    return f"{stage.offered:.0f} to {stage.to:.0f}/s" if stage.to else f"{stage.offered:.0f}/s"


def _latency(moments: Sequence[Moment], field: str) -> list[plot.Point]:
    """Milliseconds; none where nothing was answered."""
    return [(one.at, getattr(one.second, field) / 1000 if one.second.answered else None) for one in moments]


def _rates(moments: Sequence[Moment], *lines: Line) -> list[Line]:
    return [
        line._replace(
            points=[(one.at, getattr(one.second, FIELDS[line.name]) / max(one.length, 1e-9)) for one in moments]
        )
        for line in lines
    ]


def _percentiles(stages: Sequence[Stage]) -> str:
    answered = [stage for stage in stages if stage.result.answered]
    lines = [Line(_name(stage), [(per, us / 1000) for per, us in stage.result.percentiles]) for stage in answered]
    values = [value for line in lines for _, value in line.points if value is not None]
    return plot.plot(
        lines, plot.nines("per cent of all answers, as fast or faster"), plot.logarithmic("milliseconds", values)
    )


def _stages(report: Report) -> Iterator[str]:
    yield '<h2>Rates</h2><div class="wide"><table><tr><th>due</th><th>answered/s</th><th>p50 ms</th>'
    yield "<th>p90 ms</th><th>p99 ms</th><th>p99.9 ms</th><th>max ms</th><th>answers</th><th>refused</th><th>wrong</th>"
    yield "<th>unanswered</th></tr>"
    for stage in report.stages:
        found, late = stage.result, stage.result.latency
        cells = (
            _name(stage) + ("" if stage.held else ", not held"), f"{found.per_second:.0f}",
            *(f"{value / 1000:.1f}" for value in (late.p50, late.p90, late.p99, late.p999, late.max)),
            found.answered, found.refused, found.wrong, found.unanswered,
        )  # fmt: skip
        yield _row(*cells)
    yield "</table></div>"


def _codes(report: Report) -> Iterator[str]:
    """A column for each code, the most frequent first; where there are several rates, a row for each."""
    counts = Counter[str]()
    for stage in report.stages:
        for codes in stage.result.codes.values():
            counts.update(codes)
    names = [code for code, _ in counts.most_common()]
    heads = ["message", *["rate"] * _several(report), *(code or "none" for code in names)]
    yield '<h2>Answers by DE39</h2><div class="wide"><table>'
    yield f"<tr>{''.join(f'<th>{escape(head)}</th>' for head in heads)}</tr>"
    for stage in report.stages:
        for kind, codes in sorted(stage.result.codes.items()):
            yield _row(kind, *[_name(stage)] * _several(report), *(codes.get(code, "") for code in names))
    yield "</table></div>"


def _several(report: Report) -> bool:
    return len(report.stages) > 1


def _wrong(report: Report) -> Iterator[str]:
    yield "<h2>Wrong answers</h2>"
    if not any(stage.result.wrong for stage in report.stages):
        yield "<p>None.</p>"
        return
    yield '<div class="wide"><table class="text"><tr><th>message</th><th>how many</th><th>one of them</th></tr>'
    for stage in report.stages:
        for kind, one in sorted(stage.result.examples.items()):
            where = f"amount {one.amount}, RRN {one.rrn}, STAN {one.stan}, card ··{one.last4}"
            told = f"{one.answered} instead of {one.expected}; {where}"
            yield _row(kind, stage.result.wrong_by_kind[kind], told)
    yield "</table></div>"


def _row(*cells: object) -> str:
    return f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in cells)}</tr>"
