"""Curves as SVG, for docs/: values on a logarithmic scale to the right, µs or ms upwards, one line for each name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import log10

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 150, 34, 46
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#7f7f7f")
Points = Sequence[tuple[float, float]]


def svg(title: str, across: str, upwards: str, curves: Mapping[str, Points], knee: float | None = None) -> str:
    """One plot. `curves`: for each name, places from left to right, above 0, with their values; `knee`: a place to mark."""
    places = sorted({place for points in curves.values() for place, _ in points})
    most = max((value for points in curves.values() for _, value in points), default=1.0) * 1.08 or 1.0
    frame = _Frame(places[0], places[-1], most)
    parts = [*_axes(frame, title, across, upwards, places)]
    if knee is not None:
        at = frame.x(knee)
        parts.append(
            f'<line x1="{at}" y1="{TOP}" x2="{at}" y2="{HEIGHT - BOTTOM}" stroke="#999" stroke-dasharray="4 3"/>'
        )
    for turn, (name, points) in enumerate(curves.items()):
        parts += _curve(frame, name, points, COLOURS[turn % len(COLOURS)], turn)
    style = 'font-family="sans-serif" font-size="11" fill="#222"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {style}>'
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    return "\n".join([head, ground, *parts, "</svg>"]) + "\n"


class _Frame:
    """From values to pixels."""

    def __init__(self, least: float, largest: float, most: float) -> None:
        self._least, self._span = log10(least), (log10(largest) - log10(least)) or 1.0
        self.most = most

    def x(self, place: float) -> float:
        return round(LEFT + (log10(place) - self._least) / self._span * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - value / self.most * (HEIGHT - TOP - BOTTOM), 1)


def _axes(frame: _Frame, title: str, across: str, upwards: str, places: Sequence[float]) -> Iterator[str]:
    yield f'<text x="{LEFT}" y="18" font-size="13">{escape(title)}</text>'
    yield f'<text x="{LEFT}" y="{HEIGHT - 8}">{escape(across)}</text>'
    yield f'<text x="8" y="{TOP - 4}">{escape(upwards)}</text>'
    for quarter in range(5):
        value = frame.most * quarter / 4
        y = frame.y(value)
        yield f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:.{value < 10:d}f}</text>'
    for place in places:
        yield f'<text x="{frame.x(place)}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{place:g}</text>'


def _curve(frame: _Frame, name: str, points: Points, colour: str, turn: int) -> Iterator[str]:
    path = " ".join(f"{frame.x(place)},{frame.y(value)}" for place, value in points)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for place, value in points:
        yield f'<circle cx="{frame.x(place)}" cy="{frame.y(value)}" r="3" fill="{colour}"/>'
    y = TOP + 8 + 16 * turn
    yield f'<rect x="{WIDTH - RIGHT + 12}" y="{y - 8}" width="10" height="10" fill="{colour}"/>'
    yield f'<text x="{WIDTH - RIGHT + 27}" y="{y + 1}">{escape(name)}</text>'
