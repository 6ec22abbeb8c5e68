"""How a process that serves for weeks keeps its memory: what it has freed, and what only a garbage collector finds.

Both are about pauses. Where a page costs much (a virtual machine whose host takes free pages back), to give memory to the
system and to ask for it again took a tenth of the event loop under load; and a young collection of 50 000 objects, nearly all
of messages under way, took 50 to 120 ms and found nothing.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Of glibc's malloc.h."""
KEPT_FREE = 64 << 20
"""Bytes at the top of the heap that may be free before they are given back."""
LARGE = 32 << 20
"""Bytes from which on a block is asked of the system by itself; the most that glibc allows."""
STEP = 4 << 20
"""Bytes that the heap grows by at least."""
LOOK_SECONDS = 1.0
SOME = 20_000
"""Objects made and not freed since the last collection that are worth one in silence: 50 to 100 ms, with some thousand
accounts at hand."""
MANY = 500_000
"""And at any time: cycles of a month, or a hundred megabytes."""


def keep_freed() -> bool:
    """Have malloc keep what is freed. False where there is no glibc, which then does as it thinks best."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    settings = ((_MMAP_THRESHOLD, LARGE), (_TRIM_THRESHOLD, KEPT_FREE), (_TOP_PAD, STEP))
    return all(mallopt(what, size) for what, size in settings)


@contextmanager
def collecting_when_quiet(
    begun: Callable[[], int], look_seconds: float = LOOK_SECONDS, some: int = SOME, many: int = MANY
) -> Iterator[None]:
    """In a running event loop: no collection in the midst of messages. What lives at the beginning is never looked at again.

    A message leaves no cycle; a call of the control API leaves some. They are collected after `some` objects, where no message
    came from one look to the next; each that came makes it as many more; after `many` whatever happens. `begun`: how many
    messages have come by now. That nobody waits at the moment of a look says little: at some thousand a second there are such
    moments between two of them, and a collection takes as long as some hundred messages.
    """
    loop = asyncio.get_running_loop()
    handle: asyncio.TimerHandle | None = None
    before = begun()

    def look() -> None:
        nonlocal handle, before
        made, now = gc.get_count()[0], begun()
        if made > min(many, some * (1 + now - before)):
            gc.collect()
        before = now
        handle = loop.call_later(look_seconds, look)

    gc.collect()
    gc.freeze()
    gc.disable()
    look()
    try:
        yield
    finally:
        assert handle is not None
        handle.cancel()
        gc.enable()
        gc.unfreeze()
