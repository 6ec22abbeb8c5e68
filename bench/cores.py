"""How much of a core is ours, while something is measured: `python -m bench.cores CORE` until its input ends.

A core of a virtual machine is mostly one of two threads of a real one. Who computes on the other is in no statistics of ours:
"stolen" is only the time in which we did not run at all. But both share their units and caches. So a piece of work that keeps
the units busy is timed on each core, fifty times a second: where it takes longer than it does alone, somebody else is on the
same core. (A chain of multiplications, each waiting for the one before, does not notice: docs/decisions/0052.)
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

EVERY_SECONDS = 0.02
TIMES = 4
"""The quickest counts: the first finds nothing of it in the cache, and one may be broken off by whoever runs next."""
ALONE_PERCENT = 2
"""Of all samples, the quickest: what it takes alone. Where a core is never alone this is wrong, and nobody can tell."""
LONGER = 1.2
"""Times what it takes alone, and the core is shared: alone it is within 1.1, and twice as much beside somebody else."""
WORK = bytes(range(256)) * 64
"""16 kB, and as much again for what is made of it: both fit into the first cache."""
TABLE = bytes(reversed(range(256)))


class Sample(NamedTuple):
    """`at`: by `time.perf_counter`, the same for all processes of a machine; `took`: microseconds."""

    at: float
    took: float


@contextmanager
def watched() -> Iterator[list[Sample]]:
    """The list is filled at the end: of each core that we may use. It costs them half a percent."""
    samples: list[Sample] = []
    watchers = [_watcher(core) for core in sorted(os.sched_getaffinity(0))]
    try:
        for watcher in watchers:
            assert watcher.stdout is not None
            watcher.stdout.readline()  # it has begun
        yield samples
    finally:
        for watcher in watchers:
            told, _ = watcher.communicate()  # the end of its input is its end
            samples += [Sample(*map(float, line.split())) for line in told.splitlines()]


def _watcher(core: int) -> subprocess.Popen[str]:
    """In a session of its own: whoever interrupts us from a terminal ends it by its input, not by a signal."""
    command = [sys.executable, "-m", "bench.cores", str(core)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)


def alone(samples: Sequence[Sample]) -> float:
    """Microseconds that the work takes when the core is ours."""
    took = sorted(sample.took for sample in samples)
    return took[len(took) * ALONE_PERCENT // 100]


def shared(samples: Sequence[Sample], quickest: float) -> float:
    """The share of them in which somebody else was on the same core; `quickest`: as `alone` has it. 0 where there are none."""
    return sum(sample.took > quickest * LONGER for sample in samples) / max(1, len(samples))


def between(samples: Sequence[Sample], since: float, until: float) -> list[Sample]:
    return [sample for sample in samples if since <= sample.at < until]


def _once() -> float:
    began = time.perf_counter_ns()
    WORK.translate(TABLE)
    return (time.perf_counter_ns() - began) / 1000


def main() -> None:
    os.sched_setaffinity(0, {int(sys.argv[1])})
    found: list[Sample] = []
    print(flush=True)
    ended = False
    while not ended:
        found.append(Sample(time.perf_counter(), min(_once() for _ in range(TIMES))))
        ended = bool(select.select([sys.stdin], [], [], EVERY_SECONDS)[0])
    print("\n".join(f"{sample.at:.6f} {sample.took:.3f}" for sample in found), flush=True)


if __name__ == "__main__":
    main()
