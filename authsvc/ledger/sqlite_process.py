"""The process that writes for `sqlite.SqliteLedger`: `python -m authsvc.ledger.sqlite_process FILE ORDERS ANSWERS`.

A process, not a thread: each statement gives the interpreter lock away and had to win it back from a busy event loop, which
cost both more than the statement itself. What comes while a commit runs waits in the pipe and is the next batch, so a lone
decision pays one fsync and a crowd shares one. The end of the pipe is the end of the engine, however it ended: what came
whole is still committed, nobody is answered, and the lock on the data directory goes with the last of the two.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import apsw

from authsvc.errors import ConfigError
from authsvc.ledger.journal import CommitUnknownError, Row
from authsvc.ledger.sqlite_checkpoint import CHECKPOINT_PAGES, Checkpoints
from authsvc.ledger.sqlite_file import open_writer
from authsvc.ledger.sqlite_words import (
    Answer,
    Failed,
    Forget,
    Forgot,
    Frames,
    NotOpened,
    Opened,
    Order,
    Written,
    framed,
)
from authsvc.ledger.sqlite_writer import forget_holds, write
from authsvc.process_memory import keep_freed

MAX_BATCH = 1_000
"""Rows after which a batch takes no more: bounds a commit's time. A single order may exceed it."""
READ_BYTES = 1 << 20

Prepare = Callable[[apsw.Connection], None]


def serve(
    path: Path, orders: int, answers: int, prepare: Prepare | None = None, checkpoint_pages: int = CHECKPOINT_PAGES
) -> None:
    """Open the file, then do what is ordered until the orders end or something fails; closes both descriptors.

    `prepare`: called with the connection before the first order; tests break things there. `checkpoint_pages`: of the log.
    """
    try:
        _serve(path, orders, answers, prepare, checkpoint_pages)
    except BrokenPipeError:
        pass  # the engine has gone before it was answered; what is on the disk is on the disk
    finally:
        os.close(orders)
        os.close(answers)


def _serve(path: Path, orders: int, answers: int, prepare: Prepare | None, checkpoint_pages: int) -> None:
    try:
        connection = open_writer(path)
    except ConfigError as error:
        _say(answers, NotOpened(str(error)))
        return
    try:
        if prepare is not None:
            prepare(connection)
        _say(answers, Opened())
        checkpoints = Checkpoints(path, connection, checkpoint_pages)
        try:
            _Writer(connection, orders, answers, checkpoints).run()
        finally:
            checkpoints.wait()
    finally:
        connection.close()  # the last to close checkpoints, unless something failed


def _say(answers: int, answer: Answer) -> None:
    message = memoryview(framed(answer))
    while message:
        message = message[os.write(answers, message) :]


class _Writer:
    """`run` is its whole life."""

    def __init__(self, connection: apsw.Connection, orders: int, answers: int, checkpoints: Checkpoints) -> None:
        self._connection = connection
        self._checkpoints = checkpoints
        self._orders = orders
        self._answers = answers
        self._frames: Frames[Order] = Frames(Order)
        self._poll = select.poll()
        self._poll.register(orders, select.POLLIN)

    def run(self) -> None:
        more = True
        while more:
            taken, more = self._take()
            rows = [order for order in taken if isinstance(order, Row)]
            # Answered before the chores: what is durable is told as such, whatever becomes of a chore (law 5).
            if (rows and not self._write(rows)) or not self._forget(taken) or not self._checkpoint():
                return

    def _take(self) -> tuple[list[Order], bool]:
        """What has been ordered by now, at least one order unless there will be no more; and whether there may be more."""
        taken: list[Order] = []
        rows = 0
        while rows < MAX_BATCH and (not taken or self._poll.poll(0)):
            data = os.read(self._orders, READ_BYTES)
            if not data:
                return taken, False
            for order in self._frames.receive(data):
                taken.append(order)
                rows += isinstance(order, Row)
        return taken, True

    def _write(self, rows: list[Row]) -> bool:
        """One batch. False: nothing more can be promised, and that has been said."""
        started = time.perf_counter()
        try:
            outcomes = write(self._connection, rows)
        except BaseException as error:  # noqa: BLE001 - whatever it was: from here on we can promise nothing
            self._give_up(len(rows), error)
            return False
        lost = {place: type(outcome).__name__ for place, outcome in enumerate(outcomes) if outcome is not None}
        _say(self._answers, Written(len(rows), lost, time.perf_counter() - started))
        return True

    def _forget(self, taken: list[Order]) -> bool:
        """The chores among the orders. False as in `_write`."""
        for order in taken:
            if not isinstance(order, Forget):
                continue
            try:
                forgotten = forget_holds(self._connection, order.before, order.limit)
            except BaseException as error:  # noqa: BLE001 - as in `_write`
                self._give_up(0, error)
                return False
            _say(self._answers, Forgot(forgotten))
        return True

    def _checkpoint(self) -> bool:
        """False as in `_write`."""
        try:
            self._checkpoints.go_on()
        except BaseException as error:  # noqa: BLE001 - as in `_write`
            self._give_up(0, error)
            return False
        return True

    def _give_up(self, rows: int, error: BaseException) -> None:
        # Never sync again after a failed sync: the kernel may have dropped the pages and say it went well.
        self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        unknown = isinstance(error, CommitUnknownError)
        _say(self._answers, Failed(rows, unknown, f"{type(error).__name__}: {error}"))


def main() -> None:
    """Not ended by the signals that end the engine: there may be decisions under way. The end of the orders ends it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    path, orders, answers = sys.argv[1:]
    keep_freed()
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)  # rows come and go and make no cycles
    serve(Path(path), int(orders), int(answers))


if __name__ == "__main__":
    main()
