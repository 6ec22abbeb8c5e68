"""The embedded ledger: one SQLite file, one process, one writer thread.

The event loop queues appends; the thread writes whatever queued while its last commit ran, as one transaction. So a
lone message pays one fsync, and a crowd shares one. Reads have their own thread and connection and wait for no commit.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

import apsw
import msgspec

from authsvc.errors import AuthsvcError, LedgerDownError
from authsvc.gauges import OpenHolds
from authsvc.ledger.append import Append, append_of, resolve
from authsvc.ledger.holds import HoldRow
from authsvc.ledger.journal import CommitUnknownError, JournalRow, VaultEntry
from authsvc.ledger.sqlite_file import create, lock, open_writer
from authsvc.ledger.sqlite_reader import SqliteReader, open_reader
from authsvc.ledger.sqlite_writer import forget_holds, write
from authsvc.model import (
    Account,
    AccountId,
    CardId,
    Decision,
    Head,
    HoldEnd,
    HoldId,
    Key,
    Minor,
    Original,
    Posting,
    PostingId,
    UnixMs,
)

P = ParamSpec("P")
T = TypeVar("T")

MAX_BATCH = 1_000
"""Rows after which a batch takes no more: bounds a commit's time. A single turn of the event loop may exceed it."""


class _Chore(NamedTuple):
    """`work`: done by the writer on its connection; `done`: told its result."""

    work: Callable[[apsw.Connection], int]
    done: asyncio.Future[int]


class SqliteLedger:
    """A `journal.Ledger`.

    `on_commit(rows, seconds)`: after each commit; `on_failure(error)`: once, when nothing can be remembered any more:
    the process has to stop. Both are called in the event loop.
    """

    def __init__(
        self,
        path: Path,
        on_commit: Callable[[int, float], None] | None = None,
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.healthy = False
        self._path = path
        self._on_commit = on_commit
        self._on_failure = on_failure
        self._turn: list[Append] = []
        self._queue: SimpleQueue[list[Append] | None] = SimpleQueue()
        self._chores: SimpleQueue[_Chore] = SimpleQueue()
        self._writer = threading.Thread(target=self._write_batches, name="ledger-write", daemon=True)
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger-read")

    async def open(self) -> None:
        """Take the data directory and bring the schema up to date. Raises ConfigError."""
        self._loop = asyncio.get_running_loop()
        await self._loop.run_in_executor(self._reading, self._open_files)
        self._writer.start()
        self.healthy = True

    def _open_files(self) -> None:
        create(self._path)
        self._lock = lock(self._path.parent)
        try:
            self._connection = open_writer(self._path)
            self._reader: SqliteReader = open_reader(self._path)
        except AuthsvcError:
            os.close(self._lock)
            raise

    async def close(self) -> None:
        """Take no more, make durable what was taken, and let go of the data directory."""
        self._hand_over()
        self.healthy = False
        self._queue.put(None)
        await asyncio.to_thread(self._writer.join)
        await self._loop.run_in_executor(self._reading, self._reader.close)
        self._reading.shutdown()
        # The last to close checkpoints, unless `_fail` forbade it.
        await asyncio.to_thread(self._connection.close)
        os.close(self._lock)

    # ------------------------------------------------------------------ appending: event loop

    def append(
        self, before: Head, decision: Decision, after: Account, vault: VaultEntry | None = None
    ) -> tuple[Head, asyncio.Future[None]]:
        """See `journal.Ledger.append`."""
        durable = self._loop.create_future()
        # Encoded here and not in the thread: what cannot be encoded fails this one request, not the ledger.
        appended = append_of(before, decision, after, vault, durable)
        if not self.healthy:
            durable.set_exception(LedgerDownError("the ledger takes no more decisions"))
            return Head(after, appended.new_hash), durable
        if not self._turn:
            # At the end of this turn of the loop, so that all its appends share a batch and wake the thread once.
            self._loop.call_soon(self._hand_over)
        self._turn.append(appended)
        return Head(after, appended.new_hash), durable

    def _hand_over(self) -> None:
        if self._turn:
            self._queue.put(self._turn)
            self._turn = []

    def _settle(self, appends: Sequence[Append], outcomes: Sequence[AuthsvcError | None], seconds: float) -> None:
        for append, outcome in zip(appends, outcomes, strict=True):
            resolve(append.durable, outcome)
        if self._on_commit is not None:
            self._on_commit(len(appends), seconds)

    def _fail(self, appends: Sequence[Append], error: BaseException) -> None:
        """The writer has stopped for good: what it had in hand, and what waits behind it, will never be answered."""
        self.healthy = False
        unknown = isinstance(error, CommitUnknownError)
        for append in appends:
            resolve(append.durable, CommitUnknownError(str(error)) if unknown else LedgerDownError(str(error)))
        self._hand_over()
        for append in self._take_queued():
            resolve(append.durable, LedgerDownError("the ledger stopped before this decision"))
        while not self._chores.empty():
            done = self._chores.get().done
            if not done.done():  # its waiter has gone
                done.set_exception(LedgerDownError("the ledger stopped before this was done"))
        if self._on_failure is not None:
            self._on_failure(error)

    # ------------------------------------------------------------------ appending: writer thread

    def _write_batches(self) -> None:
        while (first := self._queue.get()) is not None:
            appends = first + self._take_queued(MAX_BATCH - len(first))
            # Settled before the chores: what is durable is answered as such, whatever becomes of a chore (law 5).
            if (appends and not self._write(appends)) or not self._do_chores():
                return

    def _write(self, appends: list[Append]) -> bool:
        """One batch. False: nothing more can be promised, and everyone has been told."""
        started = perf_counter()
        try:
            outcomes = write(self._connection, appends)
        except BaseException as error:  # noqa: BLE001 - whatever it was: from here on we can promise nothing
            self._give_up(appends, error)
            return False
        self._loop.call_soon_threadsafe(self._settle, appends, outcomes, perf_counter() - started)
        return True

    def _do_chores(self) -> bool:
        """What else only the writer may do, between two batches. False as in `_write`."""
        while not self._chores.empty():
            chore = self._chores.get()
            try:
                done = chore.work(self._connection)
            except BaseException as error:  # noqa: BLE001 - as in `_write`
                self._chores.put(chore)  # `_fail` tells who waits for it
                self._give_up([], error)
                return False
            self._loop.call_soon_threadsafe(_finish, chore.done, done)
        return True

    def _give_up(self, appends: list[Append], error: BaseException) -> None:
        # Never sync again after a failed sync: the kernel may have dropped the pages and say it went well.
        self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._loop.call_soon_threadsafe(self._fail, appends, error)

    def _take_queued(self, limit: int = 1 << 62) -> list[Append]:
        """What is in the queue now, up to about `limit`; leaves the mark of the end in it."""
        taken: list[Append] = []
        while len(taken) < limit:
            try:
                turn = self._queue.get_nowait()
            except Empty:
                break
            if turn is None:
                self._queue.put(None)
                break
            taken += turn
        return taken

    async def forget_holds(self, before: UnixMs, limit: int) -> int:
        """See `journal.Ledger.forget_holds`."""
        if not self.healthy:
            raise LedgerDownError("the ledger takes no more")
        done: asyncio.Future[int] = self._loop.create_future()
        self._chores.put(_Chore(lambda connection: forget_holds(connection, before, limit), done))
        self._queue.put([])  # wakes the writer
        return await done

    # ------------------------------------------------------------------ reading

    async def head(self, account: AccountId) -> Head | None:
        return await self._read(SqliteReader.head, account)

    async def earlier(self, account: AccountId, key: Key) -> Decision | None:
        return await self._read(SqliteReader.earlier, account, key)

    async def original(
        self, account: AccountId, card: CardId, original: Original, terminal: str, merchant: str
    ) -> tuple[Decision, HoldEnd | None] | None:
        return await self._read(SqliteReader.original, account, card, original, terminal, merchant)

    async def journal(self, account: AccountId, after: int = 0, limit: int = 1000) -> list[JournalRow]:
        return await self._read(SqliteReader.journal, account, after, limit)

    async def since(self, position: int, limit: int = 1000) -> list[JournalRow]:
        return await self._read(SqliteReader.since, position, limit)

    async def find(self, rrn: str = "", stan: str = "", account: str = "", limit: int = 100) -> list[JournalRow]:
        return await self._read(SqliteReader.find, rrn, stan, account, limit)

    async def hold(self, hold_id: HoldId) -> HoldRow | None:
        return await self._read(SqliteReader.hold, hold_id)

    async def holds(self, account: AccountId) -> list[HoldRow]:
        return await self._read(lambda reader, name: list(reader.holds(name)), account)

    async def hold_by_code(self, account: AccountId, card: CardId, code: str) -> HoldRow | None:
        return await self._read(SqliteReader.hold_by_code, account, card, code)

    async def due(self, now: UnixMs, limit: int) -> list[AccountId]:
        return await self._read(SqliteReader.due, now, limit)

    async def open_holds(self, now: UnixMs) -> OpenHolds:
        return await self._read(SqliteReader.open_holds, now)

    async def posting(self, account: AccountId, posting: PostingId) -> Posting | None:
        return await self._read(SqliteReader.posting, account, posting)

    async def movements(
        self, account: AccountId, since: UnixMs, until: UnixMs, after: int = 0, limit: int = 1000
    ) -> list[JournalRow]:
        return await self._read(SqliteReader.movements, account, since, until, after, limit)

    async def balance_before(self, account: AccountId, at: UnixMs) -> Minor:
        return await self._read(SqliteReader.balance_before, account, at)

    async def trial_balance(self, until: UnixMs) -> dict[str, Minor]:
        return await self._read(SqliteReader.trial_balance, until)

    async def vault_by_hash(self, pan_hash: bytes) -> VaultEntry | None:
        return await self._read(SqliteReader.vault_by_hash, pan_hash)

    async def vault_by_card(self, card: CardId) -> VaultEntry | None:
        return await self._read(SqliteReader.vault_by_card, card)

    async def accounts(self, after: str = "", limit: int = 1000) -> list[AccountId]:
        return await self._read(SqliteReader.accounts, after, limit)

    async def _read(self, question: Callable[Concatenate[SqliteReader, P], T], *values: P.args, **named: P.kwargs) -> T:
        def ask() -> T:
            return question(self._reader, *values, **named)

        try:
            return await self._loop.run_in_executor(self._reading, ask)
        except (apsw.Error, msgspec.DecodeError, RuntimeError) as error:  # RuntimeError: the thread is shut down
            raise LedgerDownError(f"the ledger cannot be read: {type(error).__name__}: {error}") from error


def _finish(done: asyncio.Future[int], result: int) -> None:
    if not done.done():  # its waiter has gone
        done.set_result(result)
