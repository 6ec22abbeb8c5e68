"""What time it is for decisions: the wall clock, or one that stands still until a test moves it.

Latencies are never measured on either of these, always on the monotonic clock.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Protocol

from authsvc.errors import ConfigError
from authsvc.model import UnixMs


class Clock(Protocol):
    """Unix time in milliseconds, UTC."""

    def __call__(self) -> UnixMs: ...


class SystemClock:
    """The wall clock."""

    def __call__(self) -> UnixMs:
        return UnixMs(time.time_ns() // 1_000_000)


class SimulatedClock:
    """A clock for tests: `wire.md` section 1. Starts at the wall clock the first time, stands still until moved, may be
    moved back, and is where it was after a restart."""

    def __init__(self, path: Path) -> None:
        """`path`: the file that remembers; its folder is created. Raises ConfigError when the file is no clock."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = _read(path)
        self._now = kept if kept is not None else self.set(SystemClock()())

    def __call__(self) -> UnixMs:
        return self._now

    def set(self, now: UnixMs) -> UnixMs:
        """Move to `now`, remembered before this returns. Raises OSError, and stays where it was, if it cannot be."""
        _write(self._path, now)
        self._now = now
        return now

    def advance(self, seconds: float) -> UnixMs:
        """Move by `seconds`, back when negative."""
        return self.set(UnixMs(self._now + round(seconds * 1000)))


def _read(path: Path) -> UnixMs | None:
    try:
        return UnixMs(int(path.read_text(encoding="ascii")))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ConfigError(f"{path}: not Unix milliseconds; remove it to start at the wall clock") from error


def _write(path: Path, now: UnixMs) -> None:
    """All or nothing: a new file beside it, on disk, then the name moved over, on disk."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="ascii") as file:
        file.write(f"{now}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
