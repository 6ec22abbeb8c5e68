"""What was measured, written into docs/performance.md between two marks; the words around it are written by people."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from authsvc import native
from loadtest.engine import ROOT

PAGE = ROOT / "docs/performance.md"


def put(name: str, lines: Iterable[str], page: Path = PAGE) -> None:
    """Put `lines` in place of what stands between the marks of `name`. Raises ValueError when they are not there."""
    text = page.read_text("utf-8")
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->\n"
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ValueError(f"{page}: has no place for {name}: {begin.strip()} and {end.strip()}")
    page.write_text(before + begin + "\n".join(lines) + "\n" + end + after, "utf-8")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterable[str]:
    """In Markdown; the first column to the left, the others to the right."""
    yield f"| {' | '.join(header)} |"
    yield f"|---|{'---:|' * (len(header) - 1)}"
    for row in rows:
        yield f"| {' | '.join(str(cell) for cell in row)} |"


def machine() -> str:
    """Where and when, and whether the engine was compiled."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    when, python = f"{datetime.now(UTC):%Y-%m-%d}", f"Python {platform.python_version()}"
    return f"{when}, {cores()} shared cores ({model}), {python}, engine {native.state()}"


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))
