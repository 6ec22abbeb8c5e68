"""What only the SQLite ledger can show: the file, the lock, the process that writes, and the ways it can break."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from importlib import resources
from pathlib import Path
from typing import Any

import apsw
import pytest
from ledger_story import NOON, approve, end, load, opened, queue, refuse, take, unborn

from authsvc.errors import ConfigError, LedgerDownError, StaleAccountError
from authsvc.gauges import Held
from authsvc.ledger import sqlite_process
from authsvc.ledger.journal import CommitUnknownError, Row
from authsvc.ledger.reconcile import reconcile
from authsvc.ledger.sqlite import PART_ROWS, SqliteLedger, Writer
from authsvc.ledger.sqlite_file import SCHEMA_VERSION, open_reader_connection, open_writer
from authsvc.ledger.sqlite_reader import SqliteReader, open_reader
from authsvc.ledger.sqlite_writer import write
from authsvc.model import Original
from authsvc.rules.evolve import evolve


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.db"


class _InAThread:
    """The writer as a thread of this process, where a test can reach into it; `connection`: the one that writes."""

    def __init__(self, checkpoint_pages: int) -> None:
        self.connection: apsw.Connection | None = None
        self._checkpoint_pages = checkpoint_pages

    def __call__(self, path: Path, orders: int, answers: int, _held: int) -> Writer:
        how = (path, orders, answers, self._opened, self._checkpoint_pages)
        self._thread = threading.Thread(target=sqlite_process.serve, args=how)
        self._thread.start()
        return self

    def wait(self) -> None:
        self._thread.join()

    def _opened(self, connection: apsw.Connection) -> None:
        self.connection = connection


async def broken(
    path: Path, failures: list[BaseException], checkpoint_pages: int = 8_000
) -> tuple[SqliteLedger, apsw.Connection]:
    """An open ledger, to be broken by the connection that writes."""
    writer = _InAThread(checkpoint_pages)
    ledger = SqliteLedger(path, evolve, on_failure=failures.append, start_writer=writer)
    await ledger.open()
    assert writer.connection is not None
    return ledger, writer.connection


async def test_the_future_never_comes_before_the_commit(path: Path) -> None:
    """At the moment a future resolves, another connection sees the decision."""
    seen: list[object] = []
    async with opened(path) as ledger:
        other = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        query = "SELECT count(*) FROM journal WHERE account = 'acc' AND seq = ?"
        head = unborn("acc")
        for seq in range(1, 101):
            head, durable = queue(ledger, head, load(head))
            durable.add_done_callback(lambda _, seq=seq: seen.append(other.execute(query, (seq,)).get))
            if seq % 7 == 0:
                await durable
        await durable
        await asyncio.sleep(0)
        other.close()
    assert seen == [1] * 100


async def test_a_long_turn_is_written_while_it_goes_on(path: Path) -> None:
    """The writer gets a part of it as soon as there is one; the rest follows when the turn ends, in its order."""
    async with opened(path) as ledger:
        head, waits = unborn("acc"), []
        for _ in range(2 * PART_ROWS + 3):
            head, durable = queue(ledger, head, load(head))
            waits.append(durable)
        other = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        until = time.monotonic() + 20
        while (written := other.execute("SELECT count(*) FROM journal").get) < 2 * PART_ROWS:
            assert time.monotonic() < until, f"{written} rows are on the disk"
            time.sleep(0.001)  # the turn goes on
        other.close()
        assert written == 2 * PART_ROWS
        assert not any(durable.done() for durable in waits)
        await asyncio.gather(*waits)
        assert await ledger.head("acc") == head


async def test_every_commit_is_synced(path: Path) -> None:
    """The writing connection syncs the WAL in every commit (law 5), and nobody but us may read the files."""
    ledger, connection = await broken(path, [])
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == 2
    await ledger.close()
    async with opened(path) as ledger:
        await take(ledger, unborn("acc"), load(unborn("acc")))
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(("ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.lock"), 0o600)


async def test_what_queued_during_a_commit_is_the_next_batch(path: Path) -> None:
    """Appends of one turn of the loop share a commit, up to a part; `on_commit` hears of each."""
    batches: list[int] = []
    ledger = SqliteLedger(path, evolve, on_commit=lambda rows, seconds: batches.append(rows if seconds > 0 else -1))
    await ledger.open()
    heads = [unborn(f"acc{number}") for number in range(PART_ROWS - 1)]
    await asyncio.gather(*(take(ledger, head, load(head)) for head in heads))
    await ledger.close()
    assert batches == [PART_ROWS - 1]


async def test_closing_makes_durable_what_was_queued(path: Path) -> None:
    """Close waits for the queue, and after it nothing is taken."""
    async with opened(path) as ledger:
        head, durable = queue(ledger, unborn("acc"), load(unborn("acc")))
    await durable
    _, refused = queue(ledger, head, load(head))
    with pytest.raises(LedgerDownError):
        await refused
    with pytest.raises(LedgerDownError):
        await ledger.head("acc")
    async with opened(path) as ledger:
        assert await ledger.head("acc") == head


async def test_one_engine_for_a_data_dir(path: Path) -> None:
    """A second engine on the same directory stops at the start and says why; after the first has gone it may."""
    async with opened(path):
        with pytest.raises(ConfigError, match="another engine uses this data_dir"):
            await SqliteLedger(path, evolve).open()
    async with opened(path):
        pass


async def test_a_newer_schema_is_not_touched(path: Path) -> None:
    """A file that a newer version wrote stops the start."""
    async with opened(path):
        pass
    with apsw.Connection(str(path)) as connection:
        connection.pragma("user_version", 99)
    with pytest.raises(ConfigError, match="newer authsvc"):
        await SqliteLedger(path, evolve).open()
    with pytest.raises(ConfigError, match="schema 99"):
        open_reader(path)


async def test_an_older_schema_is_brought_up_to_date(path: Path) -> None:
    """A ledger of version 1 goes on where it was: its journal, heads and holds are kept."""
    schema = resources.files("authsvc.ledger") / "schema" / "0001.sql"
    path.parent.mkdir(parents=True)
    with apsw.Connection(str(path)) as connection:
        connection.execute(schema.read_text("utf-8"))
        connection.execute("INSERT INTO holds VALUES ('old', 'one', 'card-1', 5, 1, 2, 'open', NULL)")
        connection.execute(
            'INSERT INTO head VALUES (\'one\', 1, zeroblob(32), \'{"id":"one","product":"prepaid-sgb"}\')'
        )
        connection.pragma("user_version", 1)
    async with opened(path) as ledger:
        await take(ledger, unborn("acc"), approve(unborn("acc"), "000001"))
        holds = [*await ledger.holds("one"), *await ledger.holds("acc")]
        assert [(hold.id, hold.code) for hold in holds] == [("old", ""), ("acc-000001", "A1B2C3")]
        assert await ledger.held_by_product() == {"prepaid-sgb": Held(1, 5), "prepaid-bps": Held(1, 10_00)}
    with apsw.Connection(str(path)) as connection:
        assert connection.pragma("user_version") == SCHEMA_VERSION


@pytest.mark.parametrize(
    "row", ["'fees', 'fees', 5", "'cardholder', 'fees', 0", "'cardholder', 'fees', -5"],
    ids=["to itself", "of nothing", "backwards"],
)  # fmt: skip
async def test_the_database_itself_keeps_the_entries_right(path: Path, row: str) -> None:
    """Each row takes from one account what it gives to another: whatever writes it, the sum is zero."""
    async with opened(path):
        pass
    with apsw.Connection(str(path)) as connection, pytest.raises(apsw.ConstraintError):
        connection.execute(f"INSERT INTO entries VALUES ('acc', 1, 0, 1, 'p', 'fee', '', {row})")


async def test_a_file_that_is_no_ledger_stops_the_start(path: Path) -> None:
    """Garbage in place of the file, or no file for a reader: ConfigError with its name."""
    with pytest.raises(ConfigError, match=r"ledger\.db"):
        open_reader(path)
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    for _ in range(2):  # the lock was let go after the first try
        with pytest.raises(ConfigError, match="not a database"):
            await SqliteLedger(path, evolve).open()


@pytest.mark.parametrize("every", [1, 2, 5, 16])
async def test_a_head_is_whole_whatever_the_age_of_its_document(path: Path, every: int) -> None:
    """One document in so many decisions; who reads the head gets what came since as well, and goes on from there."""
    written = []
    async with opened(path, every) as ledger:
        known = unborn("acc")
        for number in range(40):
            known = await take(ledger, known, load(known) if number % 3 else approve(known, f"{number:06}"))
            reader = open_reader(path)
            row, found = reader.head_record("acc"), await ledger.head("acc")
            reader.close()
            assert row is not None
            assert (found, found and found.kept) == (known, row.state_seq)
            written.append(row.state_seq)
            if number % 7 == 0 and found is not None:
                known = found
    assert written == [1 + number // every * every for number in range(40)]


async def test_a_repeat_is_looked_up_by_a_plan_made_once(path: Path) -> None:
    """The columns of the partial indexes stand beside values: SQLite would look at each value, and plan anew."""
    async with opened(path) as ledger:
        known = unborn("acc")
        for number in range(1, 20):
            known = await take(ledger, known, approve(known, f"{number:06}", key=number))
    connection = open_reader_connection(path)
    reader = SqliteReader(connection)
    plans = []
    connection.authorizer = lambda *asked: plans.append(asked) or apsw.SQLITE_OK  # asked while a statement is prepared
    for number in range(1, 20):
        found = reader.earlier("acc", number, f"{number:06}")
        assert found is not None
        assert found.key == number
        if number == 1:
            assert plans
            plans.clear()
    reader.close()
    assert not plans


async def test_what_a_message_asks_for_lies_in_order_already(path: Path) -> None:
    """An account with more messages in a day than its document has keys asks for each: nothing is sorted in a tree."""
    async with opened(path) as ledger:
        await take(ledger, unborn("acc"), approve(unborn("acc"), "000001", key=1))
    connection = open_reader_connection(path)
    reader, asked = SqliteReader(connection), list[tuple[str, Any]]()
    connection.exec_trace = lambda _cursor, query, values: asked.append((query, values)) or True
    reader.earlier("acc", 1, "000001")
    reader.earlier("acc", 1, "")
    reader.original("acc", "card-1", Original(mti="0100", stan="000001"), "T", "M")
    reader.original("acc", "card-1", Original(mti="0100", rrn="000000000001"), "T", "M")
    connection.exec_trace = None
    plans = [list(connection.execute(f"EXPLAIN QUERY PLAN {query}", values)) for query, values in asked]
    reader.close()
    assert len(plans) >= 4
    assert "TEMP B-TREE" not in str(plans)


async def test_a_document_of_the_middle_of_a_batch(path: Path) -> None:
    """The newest document of the batch is kept, and what stands behind it in the same batch is found in the journal."""
    async with opened(path, every=5) as ledger:
        known, waiting = unborn("acc"), []
        for _ in range(8):
            known, durable = queue(ledger, known, load(known))
            waiting.append(durable)
        await asyncio.gather(*waiting)
        assert await ledger.head("acc") == known
        (row,) = apsw.Connection(str(path)).execute("SELECT seq FROM states")
        assert row == (6,)


async def test_what_lost_leaves_no_document(path: Path) -> None:
    """A document goes the way of its decision: with the whole batch, or alone."""
    async with opened(path, every=1) as ledger:
        base = await take(ledger, unborn("acc"), load(unborn("acc")))
        won = await take(ledger, base, load(base, 5_00))
        _, lost = queue(ledger, base, load(base, 7_00))
        with pytest.raises(StaleAccountError):
            await lost
        assert await ledger.head("acc") == won


async def test_a_foreign_writer_is_noticed(path: Path) -> None:
    """A decision that came into the file by another hand makes ours stale, in a batch with others that are not."""
    async with opened(path) as ledger:
        base = await take(ledger, unborn("acc"), load(unborn("acc")))
        with apsw.Connection(str(path)) as foreign:
            foreign.execute("UPDATE head SET seq = 2, hash = zeroblob(32) WHERE account = 'acc'")
        _, lost = queue(ledger, base, load(base))
        _, won = queue(ledger, unborn("other"), load(unborn("other")))
        await won
        with pytest.raises(StaleAccountError):
            await lost
        assert ledger.healthy


async def test_disk_full_stops_everything(path: Path) -> None:
    """When the disk is full, the batch is not answered, nothing more is taken, and what was acknowledged stays."""
    failures: list[BaseException] = []
    ledger, connection = await broken(path, failures)
    head = unborn("acc")
    full = connection.pragma("page_count") + 8
    connection.pragma("max_page_count", full)
    while ledger.healthy:
        newest, durable = queue(ledger, head, approve(head, f"{head.account.seq:06}"))
        (problem,) = await asyncio.gather(durable, return_exceptions=True)
        head = head if problem else newest
    assert isinstance(problem, LedgerDownError)
    assert head.account.seq > 3
    assert [str(error) for error in failures] == ["FullError: database or disk is full"]
    _, refused = queue(ledger, head, load(head))
    with pytest.raises(LedgerDownError):
        await refused
    assert await ledger.head("acc") == head
    await ledger.close()
    async with opened(path) as again:
        assert await again.head("acc") == head
        await take(again, head, load(head))


async def test_a_failed_commit_is_unknown(path: Path) -> None:
    """When COMMIT itself fails, what was in it is unknown, what waited is not taken, and the process stops."""
    failures: list[BaseException] = []
    ledger, connection = await broken(path, failures)
    base = await take(ledger, unborn("acc"), load(unborn("acc")))
    behind: list[asyncio.Future[None]] = []
    loop = asyncio.get_running_loop()

    def fail_the_commit() -> bool:
        """SQLite asks this hook in the writer thread; one more decision queues meanwhile."""
        loop.call_soon_threadsafe(lambda: behind.append(queue(ledger, unborn("other"), load(unborn("other")))[1]))
        return True

    connection.set_commit_hook(fail_the_commit)
    _, unknown = queue(ledger, base, load(base))
    with pytest.raises(CommitUnknownError):
        await unknown
    with pytest.raises(LedgerDownError):
        await behind[0]
    assert [type(error) for error in failures] == [CommitUnknownError]
    assert not ledger.healthy
    await ledger.close()


@pytest.mark.parametrize("waits", [True, False], ids=["who asked waits", "who asked has gone"])
async def test_a_chore_that_fails_takes_no_commit_along(
    path: Path, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    """What the same turn of the writer made durable is told so (law 5); the chore is not done, and the ledger stops."""
    failures: list[BaseException] = []
    ledger, _ = await broken(path, failures)
    loop, asked = asyncio.get_running_loop(), []

    def ask() -> None:
        asked.append(asyncio.ensure_future(ledger.forget_holds(NOON, 10)))
        if not waits:
            loop.call_soon(asked[0].cancel)

    def write_and_be_asked(connection: apsw.Connection, rows: list[Row]) -> object:
        outcomes = write(connection, rows)
        connection.execute("PRAGMA query_only = ON")  # nothing more can be written, as on a full disk
        loop.call_soon_threadsafe(ask)
        while not ledger._chores:
            time.sleep(0.001)
        return outcomes

    monkeypatch.setattr(sqlite_process, "write", write_and_be_asked)
    head = await take(ledger, unborn("acc"), load(unborn("acc")))
    (told,) = await asyncio.gather(asked[0], return_exceptions=True)
    assert isinstance(told, LedgerDownError if waits else asyncio.CancelledError)
    async with asyncio.timeout(5):
        while not failures:
            await asyncio.sleep(0.001)
    assert await ledger.head("acc") == head
    assert not ledger.healthy
    await ledger.close()


async def test_a_long_log_is_written_back(path: Path) -> None:
    """From a length on the log (WAL) starts over between two batches; how many come meanwhile is the disk's."""
    ledger, _ = await broken(path, [], checkpoint_pages=60)
    head = await take(ledger, unborn("acc"), load(unborn("acc")))
    first = _log(path)
    async with asyncio.timeout(20):
        while _log(path) == first:
            head = await take(ledger, head, load(head))
    await ledger.close()


async def test_a_short_log_grows(path: Path) -> None:
    """Writing back is work, which is not begun for little."""
    ledger, _ = await broken(path, [], checkpoint_pages=1_000)
    head = await take(ledger, unborn("acc"), load(unborn("acc")))
    first = _log(path)
    for _ in range(50):
        head = await take(ledger, head, load(head))
    assert _log(path) == first
    assert path.with_name(f"{path.name}-wal").stat().st_size // 4_096 > 200
    await ledger.close()


def _log(path: Path) -> bytes:
    """Which log it is: the two salts of its header, new whenever it starts over (SQLite, file format, 4.1)."""
    return path.with_name(f"{path.name}-wal").read_bytes()[16:24]


class _NoWayBack:
    """A connection whose log cannot be written back: the disk has failed."""

    def __init__(self, path: Path) -> None:
        self._connection = open_writer(path)

    def wal_checkpoint(self, **_how: object) -> None:
        raise apsw.IOError("IOError: disk I/O error")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


async def test_a_log_that_cannot_be_written_back_stops_everything(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the batch before made durable is told so (law 5), and is there at the next start; nothing more is taken."""
    monkeypatch.setattr(sqlite_process, "open_writer", _NoWayBack)
    failures: list[BaseException] = []
    ledger, _ = await broken(path, failures, checkpoint_pages=1)
    head = await take(ledger, unborn("acc"), load(unborn("acc")))
    async with asyncio.timeout(5):
        while not failures:  # most of it is written back beside the next ones; what is left, between two of them
            with contextlib.suppress(LedgerDownError):
                head = await take(ledger, head, load(head))
            await asyncio.sleep(0.001)
    assert not ledger.healthy
    await ledger.close()
    monkeypatch.undo()
    async with opened(path) as again:
        assert await again.head("acc") == head


async def test_a_writer_that_is_gone_leaves_everything_unknown(path: Path) -> None:
    """SIGKILL of the process that writes: what was under way may be on the disk or not, the engine has to stop, and the next
    start finds whatever was made durable."""
    failures: list[BaseException] = []
    ledger = SqliteLedger(path, evolve, on_failure=failures.append)
    await ledger.open()
    head = await take(ledger, unborn("acc"), load(unborn("acc")))
    assert isinstance(ledger._writer, subprocess.Popen)
    os.kill(ledger._writer.pid, signal.SIGSTOP)
    _, unknown = queue(ledger, head, load(head))
    forgotten = asyncio.ensure_future(ledger.forget_holds(NOON, 10))
    await asyncio.sleep(0.01)
    os.kill(ledger._writer.pid, signal.SIGKILL)
    with pytest.raises(CommitUnknownError, match="ended by itself"):
        await unknown
    with pytest.raises(LedgerDownError):
        await forgotten
    assert [type(error) for error in failures] == [CommitUnknownError]
    assert not ledger.healthy
    _, refused = queue(ledger, head, load(head))
    with pytest.raises(LedgerDownError):
        await refused
    await ledger.close()
    async with opened(path) as again:
        assert await again.head("acc") == head


async def test_a_hold_that_is_not_open_stops_everything(path: Path) -> None:
    """Head right and hold wrong means a damaged table: no answer, no retry, stop."""
    async with opened(path) as ledger:
        head = await take(ledger, unborn("acc"), approve(unborn("acc"), "000001"))
        with apsw.Connection(str(path)) as foreign:
            foreign.execute("DELETE FROM holds")
        with pytest.raises(LedgerDownError, match="not open"):
            await take(ledger, head, end(head, "000001"))
        assert not ledger.healthy


@pytest.mark.parametrize("acknowledged", [1, 40, 200])
async def test_a_killed_engine_forgets_nothing_it_acknowledged(path: Path, acknowledged: int) -> None:
    """SIGKILL in mid-load: the lock is free at once, every acknowledged decision is there, and all tables agree."""
    victim = Path(__file__).with_name("ledger_victim.py")
    process = subprocess.Popen([sys.executable, str(victim), str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(acknowledged)]
    process.kill()
    lines += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    said = {name: int(seq) for name, seq in (line.decode().split() for line in lines)}

    reader = open_reader(path)
    assert list(reconcile(reader, evolve)) == []
    reader.close()
    async with opened(path) as ledger:
        for name, seq in said.items():
            head = await ledger.head(name)
            assert head is not None
            assert head.account.seq >= seq
            await take(ledger, head, refuse(head, "999999"))
