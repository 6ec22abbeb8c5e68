"""Plots: round ticks that hold all values, gaps where there is nothing, and every point inside of its box."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import plot
from loadtest.plot import HEIGHT, LEFT, LEGEND_ROW, RIGHT, TOP, WIDTH, Line

VALUES = st.lists(st.just(0.0) | st.floats(0.001, 1e9), min_size=1, max_size=30)
"""From a microsecond in ms to more than any rate."""


def written(axis: plot.Axis) -> list[str]:
    return [text for _, text in axis.ticks]


@pytest.mark.parametrize(
    ("values", "then"),
    [
        ([3.0], ["0", "0.5", "1", "1.5", "2", "2.5", "3"]),
        ([0.0], ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        ([5_001.0], ["0", "1,000", "2,000", "3,000", "4,000", "5,000", "6,000"]),
    ],
)
def test_ticks_are_round_and_none_comes_twice(values: list[float], then: list[str]) -> None:
    assert written(plot.linear("a second", values)) == then


def test_a_few_decades_have_ticks_within_them() -> None:
    assert written(plot.logarithmic("ms", [2.0, 40.0])) == ["1", "2", "5", "10", "20", "50", "100"]
    assert written(plot.logarithmic("ms", [0.4, 40_000.0])) == ["0.1", "1", "10", "100", "1,000", "10,000", "100,000"]
    assert written(plot.logarithmic("ms", [0.0])) == ["1", "2", "5", "10"]


@given(VALUES)
def test_whatever_comes_lies_in_the_box(values: list[float]) -> None:
    points = [(float(at), value) for at, value in enumerate(values)]
    for axis in (plot.linear, plot.logarithmic):
        text = plot.plot([Line("one", points)], plot.along("s", [at for at, _ in points]), axis("ms", values))
        for right, down in re.findall(r"([-\d.]+),([-\d.]+)", " ".join(re.findall(r'points="([^"]*)"', text))):
            assert LEFT <= float(right) <= WIDTH - RIGHT
            assert TOP + LEGEND_ROW <= float(down) <= HEIGHT + TOP + LEGEND_ROW


def test_what_there_is_not_leaves_a_gap() -> None:
    """And a value between two gaps is a point; a plot of nothing says so."""
    many = [(float(at), 1.0) for at in range(100)]
    points = [*many, (100.0, None), (101.0, 2.0), (102.0, None)]
    axes = plot.along("s", [102.0]), plot.linear("a second", [2.0])
    text = plot.plot([Line("one", points)], *axes)
    assert (text.count("<polyline"), text.count("<circle")) == (2, 1)
    assert plot.plot([Line("one", [(1.0, None)])], *axes) == "<p>Nothing came.</p>"


def test_a_legend_takes_as_many_rows_as_it_needs() -> None:
    """No name lies on another or outside, and more lines than colours are told apart."""
    lines = [Line(f"{100 * number} to {200 * number}/s", [(0.0, 1.0)]) for number in range(1, 13)]
    text = plot.plot(lines, plot.along("s", [1.0]), plot.linear("a second", [1.0]))
    places = [(float(x), float(y)) for x, y in re.findall(r'<text x="([\d.]+)" y="([\d.]+)">\d+ to', text)]
    assert len(places) == len(set(places)) == 12
    assert len({down for _, down in places}) == 3
    assert all(right + plot.LETTER * 14 <= WIDTH for right, _ in places)
    pens = re.findall(r"<polyline[^>]*?(stroke=.*?) points", text)
    assert len(set(pens)) == 12


def test_a_word_that_would_lie_on_another_is_left_out() -> None:
    marks = [(0.0, "100/s"), (0.1, "200/s"), (5.0, "300/s")]
    text = plot.plot([Line("one", [(0.0, 1.0), (10.0, 1.0)])], plot.along("s", [10.0]), plot.linear("", [1.0]), marks)
    assert [word in text for _, word in marks] == [True, False, True]
