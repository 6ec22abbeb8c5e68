"""Where a curve has its knee, and what is kept between runs."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from click.testing import CliRunner

from bench import growth
from bench.growth import Point, knee_of, shape_of
from bench.plot import svg
from bench.stand import Shape


def point(growing: str, value: int, per_second: float = 1_000, loop: float = 100, writer: float = 50) -> Point:
    cpu = {"event loop": loop, "ledger writer": writer, "generator": 1_000}
    return Point(growing, value, per_second, 1_000, 2_000, cpu, {"engine": 1, "ledger writer": 1, "Valkey": 1}, 0)


@pytest.mark.parametrize(
    ("points", "knee", "cause"),
    [
        ([], None, ""),
        ([point("accounts", 1), point("accounts", 2, loop=137)], None, ""),
        ([point("accounts", 1), point("accounts", 2, loop=138)], 2, "event loop takes 38 of the 38 µs more"),
        (
            [point("accounts", 1), point("accounts", 2, loop=90), point("accounts", 3, loop=100, writer=76)],
            3,
            "ledger writer takes 26 of the 36 µs more",
        ),
    ],
)
def test_the_knee_is_the_first_that_costs_a_quarter_more(points: list[Point], knee: int | None, cause: str) -> None:
    """More than the cheapest before it; the generator's own cost is nobody's. Who takes most of it is the cause."""
    found = knee_of(points)
    assert (found and found[0].value, found[1] if found else "") == (knee, cause)


def test_the_knee_of_messages_under_way_is_where_more_only_wait() -> None:
    """The rate is within a tenth of the highest, and the busiest process is named."""
    points = [
        point("under way", 1, 100, loop=300),
        point("under way", 64, 8_000, loop=100),
        point("under way", 512, 8_500, loop=100),
    ]
    found = knee_of(points)
    assert found is not None
    assert found[0].value == 64
    assert "generator is busy" in found[1]


def test_one_thing_grows_at_a_time() -> None:
    assert shape_of("accounts", growth.ACCOUNTS) == Shape(copied=True)
    for growing, values in growth.GROWING.items():
        for value in values:
            shape = shape_of(growing, value)
            assert shape.under_way <= shape.accounts  # a card has one message under way at most
            assert shape.links <= max(shape.under_way, growth.LINKS)


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    """A run that was cut off goes on with what is missing; here, nothing is, and no engine is started."""
    file = tmp_path / "growth.jsonl"
    points = [point("links", value) for value in (1, 8)]
    file.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in points))
    done = CliRunner().invoke(growth.main, ["--only", "links", "--upto", "8", "--file", str(file)])
    assert done.exit_code == 0, done.output
    assert "| 8 | 1000 |  |" in done.output
    assert growth.kept(file) == {("links", 1): points[0], ("links", 8): points[1]}


def test_a_rate_is_laid_beside_that_of_the_first_in_the_same_turn(tmp_path: Path) -> None:
    """Given a machine that is twice as fast in the second of three turns, then that tells nothing of what grew."""
    first = msgspec.structs.replace(point("links", 1, 1_000), rates=(1_000.0, 2_000.0, 1_000.0))
    other = msgspec.structs.replace(point("links", 8, 800), rates=(800.0, 1_500.0, 900.0))
    file = tmp_path / "growth.jsonl"
    file.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (first, other)))
    done = CliRunner().invoke(growth.main, ["--only", "links", "--upto", "8", "--file", str(file)])
    assert "| 8 | 800 | 0.80 (0.75 to 0.90) |" in done.output


def test_a_plot_is_one_whole_picture() -> None:
    """Well-formed, every point inside the frame, names escaped, a place below and above all others included."""
    drawn = ElementTree.fromstring(
        svg("cost <all>", "links", "µs", {"a & b": [(1, 5.0), (500, 0.0)], "c": [(8, 2.5)]}, 8)
    )
    circles = [element for element in drawn.iter() if element.tag.endswith("circle")]
    assert len(circles) == 3
    assert all(60 <= float(each.attrib["cx"]) <= 490 and 34 <= float(each.attrib["cy"]) <= 254 for each in circles)
    assert {"cost <all>", "a & b", "c"} <= {element.text for element in drawn.iter()}
