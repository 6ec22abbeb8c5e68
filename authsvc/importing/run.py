"""Order after order into a ledger: the next one is made while the one before is written, by a thread that lets go of the
interpreter lock for the most of its time."""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice

from msgspec import Struct

from authsvc.importing.opening import Opener
from authsvc.importing.reading import FieldError, Problem, Wanted
from authsvc.ledger.bulk import BulkLedger, Fate, Opened

ORDER = 10_000
"""Accounts of one transaction: some 30 MB of rows, three of them in memory. What a killed import has to do again at most."""
AHEAD = 1
"""Orders that wait while one is written: that who writes never waits for who makes them to be told of the one before."""
COLLECT_AFTER = 500_000
SWITCH_SECONDS = 0.0002
"""How long who writes waits for the interpreter lock after each statement; Python's own 5 ms would be most of its time."""


class Imported(Struct):
    """`taken`: accounts new in the ledger, with so many `cards`; `there`: all their cards were in one account already;
    `refused`: neither, each of them told."""

    taken: int = 0
    cards: int = 0
    there: int = 0
    refused: int = 0

    @property
    def accounts(self) -> int:
        return self.taken + self.there + self.refused


Told = Callable[[Problem], None]
Progress = Callable[[Imported], None]
_Made = list[tuple[int, Opened]]


def run(
    wanted: Iterable[Wanted], opener: Opener, ledger: BulkLedger, told: Told, progress: Progress, order: int = ORDER
) -> Imported:
    """All of them; `told` of each that is refused, `progress` after every order, which is durable then. Raises LedgerDownError:
    give the same file again."""
    done, rest = Imported(), iter(wanted)
    with ThreadPoolExecutor(1, "import-write") as thread, _tuned():
        under_way: deque[tuple[_Made, Future[list[Fate]]]] = deque()
        while taken := list(islice(rest, order)):
            made = _made(taken, opener, done, told)
            under_way.append((made, thread.submit(ledger.open, [opened for _, opened in made])))
            if len(under_way) > AHEAD:
                _settle(*under_way.popleft(), done, told)
                progress(done)
        for made, writing in under_way:
            _settle(made, writing, done, told)
            progress(done)
    return done


def _made(taken: list[Wanted], opener: Opener, done: Imported, told: Told) -> _Made:
    found: _Made = []
    opener.tick()
    for line, account in taken:
        try:
            if isinstance(account, FieldError):
                raise account
            found.append((line, opener.opened(account)))
        except FieldError as error:
            done.refused += 1
            told(Problem(line, error.field, error.why))
    return found


def _settle(made: _Made, writing: Future[list[Fate]], done: Imported, told: Told) -> None:
    for (line, opened), fate in zip(made, writing.result(), strict=True):
        if fate is Fate.TAKEN:
            done.taken += 1
            done.cards += len(opened.vault)
        elif fate is Fate.THERE:
            done.there += 1
        else:
            done.refused += 1
            told(Problem(line, "cards.pan", "leads to a card of another account already"))


@contextmanager
def _tuned() -> Iterator[None]:
    """For two busy threads, and for many rows that come and go and make no cycles."""
    switching, collecting = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(COLLECT_AFTER)
    try:
        yield
    finally:
        sys.setswitchinterval(switching)
        gc.set_threshold(*collecting)
