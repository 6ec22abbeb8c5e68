"""A message's coroutine is stepped by hand, not by a task.

A task begins in a turn of the loop of its own and tells of its end in another; it has a context, a place in the set of all
tasks, and can be cancelled. No message needs any of it, and hundreds of them wait for the disk at once.

What is stepped so is no task, and `asyncio.timeout` wants one: whoever needs it makes one (`ledger/postgres.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context, copy_context
from typing import Any

SHARED: Context = copy_context()
"""Of whatever is done when a message may go on: nobody keeps anything in it, and one for each would be made for nothing."""


class Stepping:
    """`coroutine`, as far as it goes without waiting when `step` is called, and on when what it waits for is done. What it
    raises goes to the loop's exception handler, never to whoever steps it; one whose wait was cancelled ends."""

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, None, None]) -> None:
        self._coroutine = coroutine

    def step(self, _done: object = None) -> None:
        try:
            awaited = self._coroutine.send(None)
        except (StopIteration, asyncio.CancelledError):
            return
        except Exception as error:  # noqa: BLE001 - whoever steps it has others to step
            told = {"message": "a message broke off", "exception": error}
            asyncio.get_running_loop().call_exception_handler(told)
            return
        if awaited is None:  # `asyncio.sleep(0)`: whoever else is ready comes first
            asyncio.get_running_loop().call_soon(self.step, context=SHARED)
        else:
            awaited._asyncio_future_blocking = False  # it has been seen, as asyncio puts it
            awaited.add_done_callback(self.step, context=SHARED)
