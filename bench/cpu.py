"""Who used the processor: CPU seconds of processes and threads, from /proc (Linux), in ticks of usually 10 ms."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_STOLEN = 8
"""Of the words of the first line of /proc/stat (man proc): what the host gave to others while we wanted to run."""
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
    return children_of(pid, "authsvc.workers")


def children_of(pid: int, module: str = "") -> list[int]:
    """The processes that `pid` has started, and what they have, of which `module` is in the command."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            if module in Path(f"/proc/{child}/cmdline").read_text():
                found.append(child)
            found += children_of(child, module)
    return found


def stolen() -> float:
    """Seconds, of all cores together, in which the host of this virtual machine ran others; 0 on a machine of one's own."""
    return int(Path("/proc/stat").read_text().split()[_STOLEN]) / TICKS


def memory_mb(pid: int) -> float:
    """Resident memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _seconds(stat: Path) -> float:
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / TICKS
