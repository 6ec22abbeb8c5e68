"""The shared ledger: one PostgreSQL database for any number of workers and hosts.

Appends queue while the last commit runs; then all of them go as one statement, which is one commit (`postgres_writer`).
When the server goes away, what was not sent is refused, what was sent is of unknown outcome: it is neither answered nor
given up, but sent again on the next connection, where finding it already there is success.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from time import perf_counter
from typing import Any, TypeAlias, TypeVar

import asyncpg
import msgspec

from authsvc.errors import AuthsvcError, ConfigError, LedgerDownError, NotThereError
from authsvc.gauges import Held, OpenHolds
from authsvc.ledger.append import appended, resolve
from authsvc.ledger.holds import HoldRow
from authsvc.ledger.journal import CommitUnknownError, JournalRow, VaultEntry
from authsvc.ledger.postgres_database import (
    CONNECT_SECONDS,
    SESSION,
    Connection,
    check_version,
    connect,
    migrate,
    problem,
)
from authsvc.ledger.postgres_reader import PostgresReader
from authsvc.ledger.postgres_writer import (
    APPEND,
    FORGET_HOLDS,
    KEPT_SINCE,
    Append,
    Batch,
    Outcomes,
    RefusedError,
    batch_of,
    confirm,
    outcomes,
    without,
    write,
)
from authsvc.logs import get_logger
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

T = TypeVar("T")
Statement: TypeAlias = "asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]"

READERS = 4
"""Most connections that read."""
READ_SECONDS = 3.0
STALL_SECONDS = 10.0
"""A commit that says nothing for so long is asked after on another connection. It is not given up."""
START_SECONDS, START_EVERY_SECONDS = 40.0, 1.0
"""How long a start waits for the server, and how often it looks; systemd gives a start 60 s (config/systemd)."""
BACKOFF_FIRST_SECONDS = 0.05
BACKOFF_MOST_SECONDS = 1.0
NOTHING_HAPPENED = ("40001", "40P01", "57014")
"""Serialization failure, deadlock, cancelled by an operator: the server took the statement back, so it is sent again."""

log = get_logger(__name__)


class PostgresLedger:
    """A `journal.Ledger`. `healthy` turns False when the server goes away, and True when it is back.

    `on_commit(rows, seconds)`: after each commit; `on_failure(error)`: once, when nothing can be remembered any more:
    the process has to stop; `on_up(up)`: `healthy` has changed; `partitions`: see `postgres_database.migrate`;
    `given_up`: nobody waits for `open` any more.
    """

    def __init__(
        self,
        url: str,
        on_commit: Callable[[int, float], None] | None = None,
        on_failure: Callable[[BaseException], None] | None = None,
        on_up: Callable[[bool], None] | None = None,
        partitions: int = 0,
        stall_seconds: float = STALL_SECONDS,
        given_up: asyncio.Event | None = None,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self.healthy = False
        self._url = url
        self._on_commit = on_commit
        self._on_failure = on_failure
        self._on_up = on_up
        self._partitions = partitions
        self._stall_seconds = stall_seconds
        self._given_up = asyncio.Event() if given_up is None else given_up
        self._start_seconds = start_seconds
        self._queue: list[Append] = []
        self._in_hand: list[Append] = []
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()

    async def open(self) -> None:
        """Connect and bring the schema up to date. Raises ConfigError, NotThereError when the server did not come in time."""
        self._loop = asyncio.get_running_loop()
        self._connection = await self._first_connection()
        try:
            await migrate(self._connection, self._partitions)
            self._statement: Statement = await self._connection.prepare(APPEND)
            self._pool = await _reading_pool(self._url)
        except BaseException:
            self._connection.terminate()
            raise
        self._connection.add_termination_listener(self._lost)
        self._reader = PostgresReader(self._pool)
        self._writer = asyncio.create_task(self._write_batches())
        self._set_up(True)

    async def _first_connection(self) -> Connection:
        """At boot the server may come later than we do."""
        until = self._loop.time() + self._start_seconds
        while True:
            try:
                return await connect(self._url)
            except NotThereError as error:
                if self._given_up.is_set() or self._loop.time() >= until:
                    raise
                log.warning("postgresql is not there yet", problem=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._given_up.wait(), START_EVERY_SECONDS)

    async def close(self) -> None:
        """Take no more; make durable what was taken, if the server is there; let go."""
        self._set_up(False)
        self._closing.set()
        self._wake.set()
        await asyncio.wait([self._writer])
        self._pool.terminate()
        self._connection.terminate()

    def _set_up(self, up: bool) -> None:
        if up is self.healthy:
            return
        self.healthy = up
        if self._on_up is not None:
            self._on_up(up)

    def _lost(self, connection: object) -> None:
        """The server hung up. If nothing is under way, the writer has to be told."""
        if connection is self._connection:
            self._set_up(False)
            self._wake.set()

    # ------------------------------------------------------------------ appending

    def append(
        self, before: Head, decision: Decision, after: Account, vault: VaultEntry | None = None
    ) -> tuple[Head, asyncio.Future[None]]:
        """See `journal.Ledger.append`."""
        durable = self._loop.create_future()
        row, head = appended(before, decision, after, vault)
        self._append(Append(row, decision, durable))
        return head, durable

    def _append(self, append: Append) -> None:
        if self.healthy:
            self._queue.append(append)
            self._wake.set()  # the writer runs after this turn of the loop: all of its appends share a batch
        else:
            append.durable.set_exception(LedgerDownError("the ledger takes no decisions now"))

    async def _write_batches(self) -> None:
        """For as long as the ledger is open."""
        try:
            while self._queue or not self._closing.is_set():
                if self._connection.is_closed():
                    self._refuse_queued()
                    await self._reconnect()
                batch, self._queue = batch_of(self._queue)
                if batch.chains:
                    await self._commit(batch)
                else:
                    self._wake.clear()
                    await self._wake.wait()
        except CommitUnknownError:  # closing, and the server is not there to be asked
            _resolve_all(self._in_hand, lambda: CommitUnknownError("closed before the server could be asked"))
            self._refuse_queued()
        except Exception as error:  # noqa: BLE001 - whatever it was: from here on we can promise nothing
            self._fail(error)

    async def _commit(self, batch: Batch) -> None:
        started = perf_counter()
        self._in_hand = batch.appends
        found = await self._outcomes(batch)
        for append in self._in_hand:
            resolve(append.durable, found[id(append)])
        if self._on_commit is not None:
            self._on_commit(len(self._in_hand), perf_counter() - started)

    async def _outcomes(self, batch: Batch) -> Outcomes:
        """Send the batch until it is known what became of it; the same bytes each time."""
        found: Outcomes = {}
        sent_before = False
        while batch.chains:
            try:
                return found | outcomes(batch, await self._taken(batch, sent_before))
            except RefusedError as refused:
                found |= without(batch, refused.appends)
            except Exception as error:
                if isinstance(error, asyncpg.PostgresError) and error.sqlstate in NOTHING_HAPPENED:
                    log.warning("a batch is sent again", cause=error.sqlstate)
                elif _is_loss(error):
                    sent_before = True
                    await self._reconnect()
                else:
                    raise
        return found

    async def _taken(self, batch: Batch, sent_before: bool) -> set[AccountId]:
        """The accounts whose decisions are durable now."""
        taken = await self._unless_stalled(write(self._statement, batch))
        if sent_before:
            lost = batch.chains.keys() - taken
            taken |= await self._unless_stalled(confirm(self._connection, batch, lost))
        return taken

    async def _unless_stalled(self, question: Coroutine[Any, Any, T]) -> T:
        """Its answer; a connection that says nothing is dropped, which raises as if the server had hung up."""
        asked = asyncio.ensure_future(question)
        _, late = await asyncio.wait([asked], timeout=self._stall_seconds)
        if late:
            log.warning("postgresql says nothing", limit=int(self._stall_seconds))
            self._connection.terminate()
        return await asked

    async def _reconnect(self) -> None:
        """A new connection, however long it takes. Raises CommitUnknownError when the ledger is closed meanwhile."""
        self._set_up(False)
        self._connection.terminate()
        self._refuse_queued()
        delay = BACKOFF_FIRST_SECONDS
        while not self._closing.is_set():
            try:
                await self._connect_again()
            except (ConfigError, asyncpg.PostgresError, *_LOSSES) as error:
                log.warning("postgresql cannot be used", problem=_told(error))
            else:
                log.info("postgresql is back")
                self._set_up(True)
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), delay)
            delay = min(2 * delay, BACKOFF_MOST_SECONDS)
        raise CommitUnknownError("closed while the server was away")

    async def _connect_again(self) -> None:
        connection = await connect(self._url)
        try:
            await check_version(connection)
            statement = await connection.prepare(APPEND)
        except BaseException:
            connection.terminate()
            raise
        self._connection, self._statement = connection, statement
        connection.add_termination_listener(self._lost)

    def _refuse_queued(self) -> None:
        """What was never sent has not happened: it is refused at once."""
        queued, self._queue = self._queue, []
        _resolve_all(queued, lambda: LedgerDownError("the ledger's server is away"))

    def _fail(self, error: Exception) -> None:
        """The server took the statement back for a reason that no retry mends: an unknown constraint, a full disk."""
        self._set_up(False)
        _resolve_all(self._in_hand, lambda: LedgerDownError(f"the ledger failed: {problem(error)}"))
        self._refuse_queued()
        if self._on_failure is not None:
            self._on_failure(error)

    # ------------------------------------------------------------------ reading

    async def head(self, account: AccountId) -> Head | None:
        return await self._read(self._reader.head(account))

    async def earlier(self, account: AccountId, key: Key, stan: str) -> Decision | None:
        return await self._read(self._reader.earlier(account, key, stan))

    async def original(
        self, account: AccountId, card: CardId, original: Original, terminal: str, merchant: str
    ) -> tuple[Decision, HoldEnd | None] | None:
        return await self._read(self._reader.original(account, card, original, terminal, merchant))

    async def journal(self, account: AccountId, after: int = 0, limit: int = 1000) -> list[JournalRow]:
        return await self._read(self._reader.journal(account, after, limit))

    async def since(self, position: int, limit: int = 1000) -> list[JournalRow]:
        return await self._read(self._reader.since(position, limit))

    async def orders(self, at: UnixMs, position: int, limit: int = 1000) -> list[JournalRow]:
        return await self._read(self._reader.orders(at, position, limit))

    async def find(self, rrn: str = "", stan: str = "", account: str = "", limit: int = 100) -> list[JournalRow]:
        return await self._read(self._reader.find(rrn, stan, account, limit))

    async def hold(self, account: AccountId, hold_id: HoldId) -> HoldRow | None:
        return await self._read(self._reader.hold(account, hold_id))

    async def holds(self, account: AccountId) -> list[HoldRow]:
        return await self._read(self._reader.holds(account))

    async def hold_by_code(self, account: AccountId, card: CardId, code: str) -> HoldRow | None:
        return await self._read(self._reader.hold_by_code(account, card, code))

    async def due(self, now: UnixMs, limit: int) -> list[AccountId]:
        return await self._read(self._reader.due(now, limit))

    async def open_holds(self, now: UnixMs) -> OpenHolds:
        return await self._read(self._reader.open_holds(now))

    async def held_by_product(self) -> dict[str, Held]:
        return await self._read(self._reader.held_by_product())

    async def forget_holds(self, before: UnixMs, limit: int) -> int:
        """See `journal.Ledger.forget_holds`. On a connection of its own: commits do not wait for it."""
        return await self._read(_forget_holds(self._url, before, limit))

    async def posting(self, account: AccountId, posting: PostingId) -> Posting | None:
        return await self._read(self._reader.posting(account, posting))

    async def movements(
        self, account: AccountId, since: UnixMs, until: UnixMs, after: int = 0, limit: int = 1000
    ) -> list[JournalRow]:
        return await self._read(self._reader.movements(account, since, until, after, limit))

    async def balance_before(self, account: AccountId, at: UnixMs) -> Minor:
        return await self._read(self._reader.balance_before(account, at))

    async def trial_balance(self, until: UnixMs) -> dict[str, Minor]:
        return await self._read(self._reader.trial_balance(until))

    async def vault_by_hash(self, pan_hash: bytes) -> VaultEntry | None:
        return await self._read(self._reader.vault_by_hash(pan_hash))

    async def vault_by_card(self, card: CardId) -> VaultEntry | None:
        return await self._read(self._reader.vault_by_card(card))

    async def accounts(self, after: str = "", limit: int = 1000) -> list[AccountId]:
        return await self._read(self._reader.accounts(after, limit))

    async def _read(self, question: Coroutine[Any, Any, T]) -> T:
        """While the server is away nobody waits for it. In a task, which asyncpg needs and a message is none (`stepping`)."""
        if not self.healthy:
            question.close()
            raise LedgerDownError("the ledger's server is away")
        try:
            return await asyncio.create_task(question)
        except (asyncpg.PostgresError, msgspec.DecodeError, *_LOSSES) as error:
            raise LedgerDownError(f"the ledger cannot be read: {problem(error)}") from None


_LOSSES = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)


def _is_loss(error: Exception) -> bool:
    """Whether the connection is gone, so that nobody knows what became of what was sent on it."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate).startswith(("08", "57P"))
    return isinstance(error, _LOSSES) and not isinstance(error, asyncpg.DataError)


def _told(error: BaseException) -> str:
    return str(error) if isinstance(error, AuthsvcError) else problem(error)


def _resolve_all(appends: Iterable[Append], outcome: Callable[[], AuthsvcError]) -> None:
    for append in appends:
        resolve(append.durable, outcome())


async def _forget_holds(url: str, before: UnixMs, limit: int) -> int:
    connection = await connect(url)
    try:
        async with connection.transaction():
            await connection.execute(KEPT_SINCE, before)
            done: str = await connection.execute(FORGET_HOLDS, before, limit)
    finally:
        await connection.close()
    return int(done.rpartition(" ")[2])


async def _reading_pool(url: str) -> asyncpg.Pool[asyncpg.Record]:
    async def nothing(_connection: object) -> None:
        """Instead of a reset, which is a trip to the server: whoever reads here leaves nothing behind."""

    try:
        return await asyncpg.create_pool(
            url, min_size=1, max_size=READERS, timeout=CONNECT_SECONDS, command_timeout=READ_SECONDS,
            server_settings=SESSION, reset=nothing,
        )  # fmt: skip
    except (asyncpg.PostgresError, *_LOSSES) as error:
        raise ConfigError(f"ledger.url: cannot connect to PostgreSQL: {problem(error)}") from None
