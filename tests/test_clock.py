"""The clock of decisions: the wall, or one that stands still until it is moved."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from authsvc.clock import SimulatedClock, SystemClock
from authsvc.errors import ConfigError
from authsvc.model import UnixMs

NOON = UnixMs(1_781_517_600_000)  # 2026-06-15T10:00:00Z


def test_the_wall_clock_is_in_milliseconds() -> None:
    """Unix time in milliseconds."""
    before = int(time.time() * 1000)
    assert before - 1 <= SystemClock()() <= int(time.time() * 1000) + 1


def test_it_starts_at_the_wall_clock_and_stands_still(tmp_path: Path) -> None:
    """A new simulated clock shows the wall clock's time, and goes on showing it."""
    before = SystemClock()()
    clock = SimulatedClock(tmp_path / "new" / "clock")
    first = clock()
    assert before <= first <= SystemClock()()
    time.sleep(0.005)
    assert clock() == first


def test_it_is_moved_forth_and_back(tmp_path: Path) -> None:
    """To a time, by seconds, backwards too."""
    clock = SimulatedClock(tmp_path / "clock")
    assert clock.set(NOON) == clock() == NOON
    assert clock.advance(60) == clock() == NOON + 60_000
    assert clock.advance(0.001) == clock() == NOON + 60_001
    assert clock.advance(-3600) == clock() == NOON + 60_001 - 3_600_000
    assert clock.set(UnixMs(0)) == clock() == 0


def test_it_is_kept_across_restarts(tmp_path: Path) -> None:
    """A restarted engine finds its clock where it was."""
    first = SimulatedClock(tmp_path / "clock")
    started = first()
    assert SimulatedClock(tmp_path / "clock")() == started
    first.set(NOON)
    assert SimulatedClock(tmp_path / "clock")() == NOON
    assert [path.name for path in tmp_path.iterdir()] == ["clock"]


@pytest.mark.parametrize("content", ["", "noon", "1.5", "\xff"])
def test_a_file_that_is_no_clock_stops_the_start(tmp_path: Path, content: str) -> None:
    """A damaged clock file is refused by its name, not silently started anew."""
    (tmp_path / "clock").write_text(content, encoding="latin-1")
    with pytest.raises(ConfigError, match="clock"):
        SimulatedClock(tmp_path / "clock")


def test_a_move_that_cannot_be_remembered_is_not_made(tmp_path: Path) -> None:
    """Memory and file never disagree: without the file, the clock stays."""
    clock = SimulatedClock(tmp_path / "clock")
    clock.set(NOON)
    (tmp_path / "clock.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        clock.advance(1)
    assert clock() == SimulatedClock(tmp_path / "clock")() == NOON
