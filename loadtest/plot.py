"""Lines in a box, as SVG that needs nothing else: axes with round ticks and what they measure, and a legend above the box.

A value that there is not (None) leaves a gap; a line of few points shows them, so that one alone is seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 900, 300
LEFT, RIGHT, TOP, BOTTOM = 76, 20, 14, 50
LEGEND_ROW = 20
LETTER = 7.2
"""Width of a letter, about, of the font below."""
COLOURS = ("#0b5394", "#b45309", "#166534", "#6b21a8", "#be123c", "#0f766e", "#4d4d4d", "#854d0e")
FEW = 60
"""Lines of no more points show them."""
TICKS = 6
NINES = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)
Point = tuple[float, float | None]
STYLE = """
svg{display:block;width:100%;height:auto;margin:.3rem 0 1rem}
svg text{font:12px system-ui,sans-serif;fill:#1c1c1c}
svg .title{font-weight:600}
"""


class Line(NamedTuple):
    """One line of a plot. `wide`: so that it is seen below another one that is the same; `colour`: "" takes the next."""

    name: str
    points: Sequence[Point]
    wide: bool = False
    colour: str = ""


class Axis(NamedTuple):
    """`label`: what it measures, in which unit; `ticks`: where and what is written; `scale`: from a value to what is drawn."""

    label: str
    ticks: Sequence[tuple[float, str]]
    low: float
    high: float
    scale: Callable[[float], float] = float

    def part(self, value: float) -> float:
        """0 at the low end, 1 at the high one; outside of them at the end."""
        low, high = self.scale(self.low), self.scale(self.high)
        return min(1.0, max(0.0, (self.scale(value) - low) / ((high - low) or 1.0)))


def linear(label: str, values: Sequence[float]) -> Axis:
    """From 0 to a round number that nothing lies above."""
    most = max((*values, 0.0)) or 1.0
    rough = 10.0 ** math.floor(math.log10(most / TICKS))
    step = next(rough * factor for factor in (1, 2, 5, 10) if most / (rough * factor) <= TICKS)
    count = math.ceil(round(most / step, 9))
    return Axis(label, [(step * n, f"{step * n:,.10g}") for n in range(count + 1)], 0.0, step * count)


def along(label: str, values: Sequence[float]) -> Axis:
    """As `linear`, but it ends where the values do."""
    axis, most = linear(label, values), max((*values, 0.0)) or 1.0
    return axis._replace(ticks=[tick for tick in axis.ticks if tick[0] <= most], high=most)


def logarithmic(label: str, values: Sequence[float]) -> Axis:
    """Whole decades, of each 1, 2 and 5 where they are few."""
    found = [value for value in values if value > 0] or [1.0]
    low, high = math.floor(math.log10(min(found))), math.ceil(math.log10(max(found)))
    high = max(high, low + 1)
    factors = (1, 2, 5) if high - low <= 2 else (1,)
    ticks = [factor * 10.0**power for power in range(low, high) for factor in factors] + [10.0**high]
    return Axis(
        label, [(tick, f"{tick:,.10g}") for tick in ticks], 10.0**low, 10.0**high, lambda value: _log(value, low)
    )


def nines(label: str) -> Axis:
    """Per cent by its nines: 90 is 1, 99 is 2, 99.9 is 3, so that the tail has room. What is above 99.99 is at the end."""
    return Axis(label, [*((each, f"{each:g}") for each in NINES), (100.0, "max")], 0.0, 100.0, _nines)


def plot(lines: Sequence[Line], x: Axis, y: Axis, marks: Sequence[tuple[float, str]] = ()) -> str:
    """`marks`: upright lines with a word each, where something begins."""
    if not any(value is not None for line in lines for _, value in line.points):
        return "<p>Nothing came.</p>"
    legend = list(_legend([line.name for line in lines]))
    box = _Box(x, y, TOP + LEGEND_ROW * (1 + max(row for row, _, _ in legend)))
    drawn = [*_up(box), *_across(box), *_marks(box, marks)]
    for number, (line, (row, right, name)) in enumerate(zip(lines, legend, strict=True)):
        pen = _pen(line, number)
        drawn += _line(box, line, pen)
        down = TOP + LEGEND_ROW * row
        drawn.append(f'<line x1="{right:.0f}" x2="{right + 18:.0f}" y1="{down}" y2="{down}" {pen}/>')
        drawn.append(f'<text x="{right + 24:.0f}" y="{down + 4}">{escape(name)}</text>')
    return f'<svg viewBox="0 0 {WIDTH} {box.height}" role="img">{"".join(drawn)}</svg>'


class _Box(NamedTuple):
    """`top`: below the legend."""

    x: Axis
    y: Axis
    top: int

    @property
    def height(self) -> int:
        return self.top + HEIGHT

    @property
    def bottom(self) -> int:
        return self.height - BOTTOM

    def right(self, value: float) -> float:
        return LEFT + self.x.part(value) * (WIDTH - LEFT - RIGHT)

    def down(self, value: float) -> float:
        return self.bottom - self.y.part(value) * (self.bottom - self.top)


def _legend(names: Sequence[str]) -> Iterator[tuple[int, float, str]]:
    """Row, place and name of each, as many in a row as there is room for."""
    row, right = 0, float(LEFT)
    for name in names:
        width = 44 + LETTER * len(name)
        if right + width > WIDTH and right > LEFT:
            row, right = row + 1, float(LEFT)
        yield row, right, name
        right += width


def _pen(line: Line, number: int) -> str:
    """More lines than colours are told apart by dashes."""
    dashes = "" if number < len(COLOURS) else ' stroke-dasharray="6 3"'
    return (
        f'stroke="{line.colour or COLOURS[number % len(COLOURS)]}" stroke-width="{4.5 if line.wide else 1.7}"{dashes}'
    )


def _line(box: _Box, line: Line, pen: str) -> Iterator[str]:
    for part in _parts(line.points):
        placed = [f"{box.right(at):.1f},{box.down(value):.1f}" for at, value in part]
        yield f'<polyline fill="none" {pen} points="{" ".join(placed)}"/>'
        if len(line.points) <= FEW or len(part) == 1:
            for place in placed:
                right, _, down = place.partition(",")
                yield f'<circle cx="{right}" cy="{down}" r="1.6" fill="none" {pen}/>'


def _parts(points: Sequence[Point]) -> Iterator[list[tuple[float, float]]]:
    """What is between the gaps."""
    part: list[tuple[float, float]] = []
    for at, value in points:
        if value is not None:
            part.append((at, value))
        elif part:
            yield part
            part = []
    if part:
        yield part


def _up(box: _Box) -> Iterator[str]:
    for value, text in box.y.ticks:
        down = box.down(value)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down:.1f}" y2="{down:.1f}" stroke="#d4d4d4"/>'
        yield f'<text x="{LEFT - 8}" y="{down + 4:.1f}" text-anchor="end">{text}</text>'
    middle = (box.top + box.bottom) / 2
    turned = f'transform="translate(16 {middle:.0f}) rotate(-90)"'
    yield f'<text class="title" {turned} text-anchor="middle">{escape(box.y.label)}</text>'


def _across(box: _Box) -> Iterator[str]:
    for value, text in box.x.ticks:
        right = box.right(value)
        yield f'<line x1="{right:.1f}" x2="{right:.1f}" y1="{box.bottom}" y2="{box.bottom + 5}" stroke="#1c1c1c"/>'
        yield f'<text x="{right:.1f}" y="{box.bottom + 19}" text-anchor="middle">{text}</text>'
    yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{box.bottom}" y2="{box.bottom}" stroke="#1c1c1c"/>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text class="title" x="{middle:.0f}" y="{box.height - 10}" text-anchor="middle">{escape(box.x.label)}</text>'


def _marks(box: _Box, marks: Sequence[tuple[float, str]]) -> Iterator[str]:
    """A word that would lie on the one before is left out."""
    free = 0.0
    for value, text in marks:
        right = box.right(value)
        place = f'x1="{right:.1f}" x2="{right:.1f}" y1="{box.top}" y2="{box.bottom}"'
        yield f'<line {place} stroke="#737373" stroke-dasharray="3 3"/>'
        if right + 4 >= free and right + 4 + LETTER * len(text) <= WIDTH:
            yield f'<text x="{right + 4:.1f}" y="{box.top + 12}">{escape(text)}</text>'
            free = right + 12 + LETTER * len(text)


def _log(value: float, low: int) -> float:
    return math.log10(max(value, 10.0**low))


def _nines(percent: float) -> float:
    return min(4.6, -math.log10(max(1 - percent / 100, 10**-4.6)))
