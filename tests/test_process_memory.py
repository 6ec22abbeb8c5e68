"""What is freed stays with the process, and garbage is collected in quiet moments."""

from __future__ import annotations

import asyncio
import gc
import itertools
import subprocess
import sys
import weakref

import pytest

from authsvc.process_memory import collecting_when_quiet

FAULTS = """
import resource, sys
from authsvc.process_memory import keep_freed
if sys.argv[1] == "kept" and not keep_freed():
    print("no glibc"), sys.exit()
for turn in range(60):
    if turn == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [bytearray(1 << 20) for _ in range(8)]
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Pages that fifty rounds of eight megabytes, each freed again, had to ask the system for."""
    said = subprocess.run(
        [sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True
    ).stdout.strip()
    if said == "no glibc":
        pytest.skip(said)
    return int(said)


def test_what_is_freed_is_used_again() -> None:
    assert faults("kept") < 1_000
    assert faults("given back") > 10_000


class Cycle:
    """Garbage that only a collector finds."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize(
    ("coming", "some", "many", "collected"),
    [
        (0, 100, 10**9, True),
        (3, 100, 10**9, True),
        (100, 100, 10**9, False),
        (100, 100, 200, True),
        (0, 10**9, 10**9, False),
    ],
    ids=["silence", "hardly a message", "between two messages", "too many of them", "not worth it"],
)
async def test_when_it_is_collected(coming: int, some: int, many: int, collected: bool) -> None:
    """`coming`: messages from one look to the next, though nobody waits for an answer when it looks."""
    begun = itertools.count(7, coming)
    with collecting_when_quiet(lambda: next(begun), look_seconds=0.01, some=some, many=many):
        assert not gc.isenabled()
        gone = weakref.ref(Cycle())
        kept = [[number] for number in range(1_000)]
        await asyncio.sleep(0.1)
        assert (gone() is None, len(kept)) == (collected, 1_000)
    assert gc.isenabled()


async def test_after_an_error_the_collector_is_as_it_was() -> None:
    with pytest.raises(KeyError), collecting_when_quiet(lambda: 0):
        raise KeyError
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, 0)
