"""The embedded ledger: one SQLite file, one engine, and a process that writes for it (`sqlite_process`).

The event loop collects what one turn of it decides and sends it on, a part at a time; the writer makes one transaction of
what it finds, so a lone message pays one fsync, and a crowd shares one. Reads wait for no commit: those of a row or two,
which messages need, happen at once; those of many rows have a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import apsw
import msgspec

from authsvc.errors import AuthsvcError, ConfigError, LedgerDownError, StaleAccountError
from authsvc.gauges import Held, OpenHolds
from authsvc.ledger.append import appended, resolve
from authsvc.ledger.holds import HoldRow
from authsvc.ledger.journal import CommitUnknownError, Evolve, JournalRow, PanTakenError, Row, VaultEntry
from authsvc.ledger.sqlite_file import create, lock
from authsvc.ledger.sqlite_reader import SqliteReader, open_reader
from authsvc.ledger.sqlite_warming import Warming
from authsvc.ledger.sqlite_words import (
    Answer,
    Failed,
    Forget,
    Forgot,
    Frames,
    NotOpened,
    Opened,
    Written,
    framed,
)
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

DECISIONS_A_DOCUMENT = 16
"""Decisions on an account from one document of it in the file to the next. It is most of what a decision writes where there are
holds (0.4 kB each); who reads a head folds in what came since, at most 15 decisions, 25 µs each."""
PART_ROWS = 24
"""Rows of one turn after which the writer gets what there is, and begins while the turn goes on. With 16 its commits are so
small that each row costs it a sixth more."""
PIPE_BYTES = 1 << 20
"""What may wait for the writer outside of our memory, where the system lets us ask for it (Linux)."""


class Writer(Protocol):
    """Whatever runs `sqlite_process.serve`."""

    def wait(self) -> object:
        """Until it has ended."""
        ...


StartWriter = Callable[[Path, int, int, int], Writer]
"""File, orders to read, answers to write, lock to hold: three descriptors, its own from then on."""


def in_a_process(path: Path, orders: int, answers: int, held: int) -> Writer:
    """The writer as it is meant to run."""
    command = [sys.executable, "-m", "authsvc.ledger.sqlite_process", str(path), str(orders), str(answers)]
    try:
        return subprocess.Popen(command, pass_fds=(orders, answers, held), stdin=subprocess.DEVNULL)
    finally:
        os.close(orders)
        os.close(answers)


class SqliteLedger:
    """A `journal.Ledger`.

    `evolve`: what a decision makes of an account, for heads that are read; `every`: decisions on an account for one document
    of it. `on_commit(rows, seconds)`: after each commit; `on_failure(error)`: once, when nothing can be remembered any more:
    the process has to stop. Both are called in the event loop. `start_writer`: tests run the writer nearer.
    """

    def __init__(
        self,
        path: Path,
        evolve: Evolve,
        on_commit: Callable[[int, float], None] | None = None,
        on_failure: Callable[[BaseException], None] | None = None,
        start_writer: StartWriter = in_a_process,
        every: int = DECISIONS_A_DOCUMENT,
    ) -> None:
        self.healthy = False
        self._path = path
        self._evolve = evolve
        self._every = every
        self._on_commit = on_commit
        self._on_failure = on_failure
        self._start_writer = start_writer
        self._turn: list[bytes] = []
        self._under_way: deque[tuple[AccountId, asyncio.Future[None]]] = deque()
        self._chores: deque[asyncio.Future[int]] = deque()
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger-read")

    async def open(self) -> None:
        """Take the data directory, start the writer, bring the schema up to date. Raises ConfigError."""
        self._loop = asyncio.get_running_loop()
        await self._loop.run_in_executor(self._reading, self._take_directory)
        try:
            await self._begin_writing()
        except AuthsvcError:
            os.close(self._lock)
            raise
        self._reader: SqliteReader = await self._loop.run_in_executor(self._reading, open_reader, self._path)
        self._near = open_reader(self._path)
        self._warming = Warming(self._path)
        self.healthy = True

    def _take_directory(self) -> None:
        create(self._path)
        self._lock = lock(self._path.parent)

    async def _begin_writing(self) -> None:
        """Returns when the writer has opened the file."""
        orders, our_orders = os.pipe()
        our_answers, answers = os.pipe()
        # Where the system does not allow so much, or is not Linux, it works with less.
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(our_orders, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._writer = self._start_writer(self._path, orders, answers, self._lock)
        self._opened: asyncio.Future[ConfigError | None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        await self._loop.connect_read_pipe(
            lambda: _Answers(self._heard, self._writer_ended), os.fdopen(our_answers, "rb", 0)
        )
        orders_to, _ = await self._loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(our_orders, "wb", 0))
        self._orders = orders_to
        problem = await self._opened  # handed over, not raised: see `test_nothing_is_awaited_in_a_handler`
        if problem is not None:
            await self._end_writing()
            raise problem

    async def _end_writing(self) -> None:
        """The end of the orders; the writer does what it has, and ends."""
        self._orders.close()
        await self._ended
        await asyncio.to_thread(self._writer.wait)

    async def close(self) -> None:
        """Take no more, make durable what was taken, and let go of the data directory."""
        self._hand_over()
        self.healthy = False
        self._near.close()
        await asyncio.to_thread(self._warming.stop)
        await self._loop.run_in_executor(self._reading, self._reader.close)
        self._reading.shutdown()
        await self._end_writing()  # after the reader: the last to close checkpoints
        os.close(self._lock)

    # ------------------------------------------------------------------ appending

    def append(
        self, before: Head, decision: Decision, after: Account, vault: VaultEntry | None = None
    ) -> tuple[Head, asyncio.Future[None]]:
        """See `journal.Ledger.append`."""
        durable = self._loop.create_future()
        row, head = appended(before, decision, after, vault, self._every)
        self._append(row, durable)
        return head, durable

    def _append(self, row: Row, durable: asyncio.Future[None]) -> None:
        if not self.healthy:
            durable.set_exception(LedgerDownError("the ledger takes no more decisions"))
            return
        if not self._turn:
            # At the end of this turn of the loop, so that a turn of few appends wakes the writer once.
            self._loop.call_soon(self._hand_over)
        self._turn.append(framed(row))
        self._under_way.append((row.account, durable))
        if len(self._turn) >= PART_ROWS:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._turn:
            self._orders.writelines(self._turn)
            self._turn = []

    async def forget_holds(self, before: UnixMs, limit: int) -> int:
        """See `journal.Ledger.forget_holds`."""
        if not self.healthy:
            raise LedgerDownError("the ledger takes no more")
        done: asyncio.Future[int] = self._loop.create_future()
        self._chores.append(done)
        self._orders.write(framed(Forget(before, limit)))
        return await done

    # ------------------------------------------------------------------ what the writer says

    def _heard(self, answer: Answer) -> None:
        match answer:
            case Written(rows, lost, seconds):
                self._settle(rows, lost, seconds)
            case Forgot(holds):
                done = self._chores.popleft()
                if not done.done():  # its waiter has gone
                    done.set_result(holds)
            case Opened():
                self._opened.set_result(None)
            case NotOpened(problem):
                self._opened.set_result(ConfigError(problem))
            case Failed(rows, unknown, problem):
                kind = CommitUnknownError if unknown else LedgerDownError
                self._fail(rows, kind, kind(problem))

    def _settle(self, rows: int, lost: dict[int, str], seconds: float) -> None:
        for place in range(rows):
            account, durable = self._under_way.popleft()
            resolve(durable, _lost(lost[place], account) if place in lost else None)
        if self._on_commit is not None:
            self._on_commit(rows, seconds)

    def _writer_ended(self) -> None:
        """Foreseen after `_end_writing` and a failure, and else the same as a commit nobody knows the fate of."""
        if not self._opened.done():
            self._opened.set_result(ConfigError(f"{self._path}: the writer of the ledger ended at once"))
        elif self.healthy:
            error = CommitUnknownError("the writer of the ledger ended by itself")
            self._fail(len(self._under_way), CommitUnknownError, error)
        self._ended.set_result(None)

    def _fail(self, rows: int, kind: type[LedgerDownError], error: LedgerDownError) -> None:
        """The writer has stopped for good: the `rows` it had in hand, and what waits behind them, will never be answered."""
        self.healthy = False
        waiting, self._under_way = self._under_way, deque()
        self._turn = []
        for place, (_, durable) in enumerate(waiting):
            behind = LedgerDownError("the ledger stopped before this decision")
            resolve(durable, kind(str(error)) if place < rows else behind)
        for done in self._chores:
            if not done.done():  # its waiter has gone
                done.set_exception(LedgerDownError("the ledger stopped before this was done"))
        self._chores.clear()
        if self._on_failure is not None:
            self._on_failure(error)

    # ------------------------------------------------------------------ reading

    async def head(self, account: AccountId) -> Head | None:
        return self._read_at_once(SqliteReader.head, account, self._evolve)

    async def earlier(self, account: AccountId, key: Key, stan: str) -> Decision | None:
        return self._read_at_once(SqliteReader.earlier, account, key, stan)

    async def original(
        self, account: AccountId, card: CardId, original: Original, terminal: str, merchant: str
    ) -> tuple[Decision, HoldEnd | None] | None:
        return self._read_at_once(SqliteReader.original, account, card, original, terminal, merchant)

    async def journal(self, account: AccountId, after: int = 0, limit: int = 1000) -> list[JournalRow]:
        return await self._read(SqliteReader.journal, account, after, limit)

    async def since(self, position: int, limit: int = 1000) -> list[JournalRow]:
        return await self._read(SqliteReader.since, position, limit)

    async def orders(self, at: UnixMs, position: int, limit: int = 1000) -> list[JournalRow]:
        return await self._read(SqliteReader.orders, at, position, limit)

    async def find(self, rrn: str = "", stan: str = "", account: str = "", limit: int = 100) -> list[JournalRow]:
        return await self._read(SqliteReader.find, rrn, stan, account, limit)

    async def hold(self, account: AccountId, hold_id: HoldId) -> HoldRow | None:
        return self._read_at_once(SqliteReader.hold, account, hold_id)

    async def holds(self, account: AccountId) -> list[HoldRow]:
        return await self._read(lambda reader, name: list(reader.holds(name)), account)

    async def hold_by_code(self, account: AccountId, card: CardId, code: str) -> HoldRow | None:
        return self._read_at_once(SqliteReader.hold_by_code, account, card, code)

    async def due(self, now: UnixMs, limit: int) -> list[AccountId]:
        return await self._read(SqliteReader.due, now, limit)

    async def open_holds(self, now: UnixMs) -> OpenHolds:
        return await self._read(SqliteReader.open_holds, now)

    async def held_by_product(self) -> dict[str, Held]:
        return await self._read(SqliteReader.held_by_product)

    async def posting(self, account: AccountId, posting: PostingId) -> Posting | None:
        return self._read_at_once(SqliteReader.posting, account, posting)

    async def movements(
        self, account: AccountId, since: UnixMs, until: UnixMs, after: int = 0, limit: int = 1000
    ) -> list[JournalRow]:
        return await self._read(SqliteReader.movements, account, since, until, after, limit)

    async def balance_before(self, account: AccountId, at: UnixMs) -> Minor:
        return await self._read(SqliteReader.balance_before, account, at)

    async def trial_balance(self, until: UnixMs) -> dict[str, Minor]:
        return await self._read(SqliteReader.trial_balance, until)

    async def vault_by_hash(self, pan_hash: bytes) -> VaultEntry | None:
        return self._read_at_once(SqliteReader.vault_by_hash, pan_hash)

    async def vault_by_card(self, card: CardId) -> VaultEntry | None:
        return self._read_at_once(SqliteReader.vault_by_card, card)

    async def accounts(self, after: str = "", limit: int = 1000) -> list[AccountId]:
        return await self._read(SqliteReader.accounts, after, limit)

    def _read_at_once(
        self, question: Callable[Concatenate[SqliteReader, P], T], *values: P.args, **named: P.kwargs
    ) -> T:
        """A row or two by an index, in the event loop: 20 to 40 µs. The way to a thread and back costs a busy loop ten times
        that, in switches of the interpreter lock; a page that is not in memory costs one read of the disk."""
        try:
            return question(self._near, *values, **named)
        except (apsw.Error, msgspec.DecodeError) as error:
            raise _unreadable(error) from error

    async def _read(self, question: Callable[Concatenate[SqliteReader, P], T], *values: P.args, **named: P.kwargs) -> T:
        def ask() -> T:
            return question(self._reader, *values, **named)

        try:
            return await self._loop.run_in_executor(self._reading, ask)
        except (apsw.Error, msgspec.DecodeError, RuntimeError) as error:  # RuntimeError: the thread is shut down
            raise _unreadable(error) from error


def _unreadable(error: Exception) -> LedgerDownError:
    return LedgerDownError(f"the ledger cannot be read: {type(error).__name__}: {error}")


class _Answers(asyncio.Protocol):
    """The reading end of the writer's answers."""

    def __init__(self, heard: Callable[[Answer], None], ended: Callable[[], None]) -> None:
        self._frames: Frames[Answer] = Frames(Answer)
        self._heard = heard
        self._ended = ended

    def data_received(self, data: bytes) -> None:
        for answer in self._frames.receive(data):
            self._heard(answer)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._ended()


def _lost(kind: str, account: AccountId) -> AuthsvcError:
    """Why the writer left it out."""
    if kind == PanTakenError.__name__:
        return PanTakenError("the PAN leads to another card already")
    return StaleAccountError(account)
