"""Who used the processor: CPU seconds of processes and threads, from /proc (Linux), in ticks of usually 10 ms."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12
"""Of the fields after the command's closing parenthesis, which may itself hold anything (man proc)."""


def of_process(pid: int) -> float:
    """All threads of it, ended ones too; seconds in user and system mode."""
    return _seconds(Path(f"/proc/{pid}/stat"))


def of_main_thread(pid: int) -> float:
    """The thread that runs the event loop."""
    return _seconds(Path(f"/proc/{pid}/task/{pid}/stat"))


def workers_of(pid: int) -> list[int]:
    """The processes that decide, when `pid` is the parent of several workers; else none."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if "authsvc.workers" in Path(f"/proc/{child}/cmdline").read_text()]


def children_of(pid: int) -> dict[int, str]:
    """Its direct children, with what they run."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child): Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ") for child in found}


def memory_mb(pid: int) -> float:
    """Resident memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _seconds(stat: Path) -> float:
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / TICKS
