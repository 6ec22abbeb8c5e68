"""The comparison with a mock host: what is asked for, and what a row of it says. The hosts themselves are not started here."""

from __future__ import annotations

import click
import pytest

from bench.mockhost import Shape, Taken, Turn, row, shape


def test_a_shape_of_the_loop_is_read() -> None:
    assert shape("client:8x32:4000") == Shape("client", 8, 32, 4000)


@pytest.mark.parametrize("wrong", ["bytes:8:4000", "bytes:8x32", "telnet:8x32:4000", ""])
def test_what_is_no_shape_is_refused(wrong: str) -> None:
    with pytest.raises(click.BadParameter, match="bytes"):
        shape(wrong)


def test_only_approvals_count() -> None:
    """Medians of the turns; a refusal is an answer, and no approval."""
    mock = Taken([Turn(2.0, {"00": 800}, 1.0, 2.0, 0.1)], {"server": 170.0, "loop": 50.0})
    turns = [Turn(2.0, {"00": approved, "61": 100}, 3.0, 4.0, 0.1) for approved in (100, 300, 200)]
    ours = Taken(turns, {"event loop": 220.0, "loop": 40.0})
    found = row(Shape("bytes", 1, 1, 10), mock, ours)
    assert found[1:4] == ["400", "100", "0.25"]
    assert "66.7%" in found
