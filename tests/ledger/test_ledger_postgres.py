"""What only the PostgreSQL ledger can show: several writers, a server that goes away, and what the server must promise."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from engine_parts import until
from ledger_story import approve, end, load, opened_postgres, queue, refuse, take, unborn
from postgres_server import PostgresServer

from authsvc.errors import ConfigError, LedgerDownError, NotThereError
from authsvc.gauges import Held
from authsvc.ledger.append import appended
from authsvc.ledger.journal import CommitUnknownError, VaultEntry
from authsvc.ledger.postgres import PostgresLedger
from authsvc.ledger.postgres_database import MAKE_VERSION, ROWS_A_TRANSACTION, SCHEMA_VERSION, schema_of
from authsvc.ledger.postgres_records import PostgresRecords
from authsvc.ledger.postgres_writer import Append, batch_of
from authsvc.ledger.reconcile import reconcile
from authsvc.rules.evolve import evolve


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.database()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


def differences(url: str) -> list[object]:
    records = PostgresRecords(url)
    found = list(reconcile(records, evolve))
    records.close()
    return found


# ------------------------------------------------------------------------------------------------- batches


async def test_what_queued_during_a_commit_is_the_next_batch(url: str) -> None:
    """Appends of one turn of the loop share a commit, and `on_commit` hears of each."""
    batches: list[int] = []
    ledger = PostgresLedger(url, on_commit=lambda rows, seconds: batches.append(rows if seconds > 0 else -1))
    await ledger.open()
    heads = [unborn(f"acc{number}") for number in range(50)]
    await asyncio.gather(*(take(ledger, head, load(head)) for head in heads))
    await ledger.close()
    assert batches == [50]


async def test_more_than_a_transaction_takes(url: str) -> None:
    """Positions have room for so many rows of a transaction; the others are the next one, and all are in order."""
    async with opened_postgres(url) as ledger:
        head, waiting = unborn("acc"), []
        for _ in range(ROWS_A_TRANSACTION + 10):
            head, durable = queue(ledger, head, load(head))
            waiting.append(durable)
        await asyncio.gather(*waiting)
        rows = await ledger.since(0, 5000)
    assert [row.seq for row in rows] == list(range(1, ROWS_A_TRANSACTION + 11))
    assert rows[0].position // ROWS_A_TRANSACTION == rows[ROWS_A_TRANSACTION - 1].position // ROWS_A_TRANSACTION
    assert rows[-1].position // ROWS_A_TRANSACTION > rows[0].position // ROWS_A_TRANSACTION


async def test_a_batch_has_one_chain_of_each_account_and_each_pan_once() -> None:
    """What does not stand on the newest append of its account waits for the next batch; its order is kept."""

    def append(head, made, pan: bytes | None = None):  # type: ignore[no-untyped-def]
        entry = VaultEntry(pan, head.account.id, "card", "1234", b"sealed") if pan else None
        row, _ = appended(head, made, evolve(head.account, made), entry)
        return Append(row, made, asyncio.get_running_loop().create_future())

    one, two = unborn("one"), unborn("two")
    first = append(one, load(one, 1))
    rival = append(one, load(one, 2))
    on_first_head = type(one)(evolve(one.account, first.decision), first.row.new_hash)
    on_first = append(on_first_head, load(on_first_head))
    pan, same_pan = append(two, load(two), b"p" * 32), append(unborn("three"), load(unborn("three")), b"p" * 32)
    batch, waiting = batch_of([first, rival, on_first, pan, same_pan])
    assert batch.appends == [first, on_first, pan]
    assert waiting == [rival, same_pan]
    assert batch_of([first, pan, same_pan], limit=1)[1] == [pan, same_pan]


async def test_two_pans_taken_in_one_batch(url: str) -> None:
    """Each command with a PAN of somebody else is refused alone; what stands on it is stale, all else is durable."""
    async with opened_postgres(url) as ledger:
        entries = [
            VaultEntry(bytes([number]) * 32, f"acc{number}", f"card-{number}", "1234", b"s") for number in (1, 2)
        ]
        for entry in entries:
            head = unborn(entry.account)
            await ledger.append(head, load(head), evolve(head.account, load(head)), entry)[1]
        waiting = []
        for number, entry in enumerate(entries, 5):
            head = unborn(f"acc{number}")
            stolen = VaultEntry(entry.pan_hash, head.account.id, f"card-{number}", "1234", b"s")
            top, refused = ledger.append(head, load(head), evolve(head.account, load(head)), stolen)
            waiting += [refused, queue(ledger, top, load(top))[1]]
        waiting.append(queue(ledger, unborn("other"), load(unborn("other")))[1])
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result).__name__ for result in results] == [
            "PanTakenError", "StaleAccountError", "PanTakenError", "StaleAccountError", "NoneType",
        ]  # fmt: skip
        assert await ledger.accounts() == ["acc1", "acc2", "other"]
        assert await ledger.vault_by_card("card-5") is None


async def test_a_hold_that_is_not_open_stops_everything(url: str) -> None:
    """Head right and hold wrong means a damaged table: nothing of the batch is taken, no retry, stop."""
    failures: list[BaseException] = []
    ledger = PostgresLedger(url, on_failure=failures.append)
    await ledger.open()
    head = await take(ledger, unborn("acc"), approve(unborn("acc"), "000001"))
    async with connected(url) as foreign:
        await foreign.execute("DELETE FROM holds")
    _, wrong = queue(ledger, head, end(head, "000001"))
    _, same_batch = queue(ledger, unborn("other"), load(unborn("other")))
    with pytest.raises(LedgerDownError, match="not open"):
        await wrong
    with pytest.raises(LedgerDownError):
        await same_batch
    assert not ledger.healthy
    assert len(failures) == 1
    await ledger.close()
    async with opened_postgres(url) as again:
        assert await again.head("acc") == head
        assert await again.head("other") is None


# ------------------------------------------------------------------------------------------------- several writers


async def one_worker(ledger: PostgresLedger, accounts: list[str], turns: int) -> int:
    """Loads on all accounts again and again, each on the head it reads; says how many were taken."""
    taken = 0
    for _ in range(turns):
        heads = [await ledger.head(name) or unborn(name) for name in accounts]
        results = await asyncio.gather(*(take(ledger, head, load(head, 1)) for head in heads), return_exceptions=True)
        assert {type(result).__name__ for result in results} <= {"Head", "StaleAccountError"}
        taken += sum(not isinstance(result, BaseException) for result in results)
    return taken


@pytest.mark.parametrize("partitions", [0, 3])
async def test_several_workers_on_the_same_accounts(url: str, partitions: int) -> None:
    """Each decision on a head that moved meanwhile is stale; what was taken is there, each once, in one chain."""
    names = [f"acc{number}" for number in range(20)]
    ledgers = [PostgresLedger(url, partitions=partitions) for _ in range(3)]
    for ledger in ledgers:
        await ledger.open()
    orders = (names, names[::-1], names[7:] + names[:7])
    taken = await asyncio.gather(*(one_worker(*each, 30) for each in zip(ledgers, orders, strict=True)))
    heads = [await ledgers[0].head(name) for name in names]
    for ledger in ledgers:
        await ledger.close()
    assert all(taken)
    assert sum(head.account.balance for head in heads if head) == sum(taken)
    assert await asyncio.to_thread(differences, url) == []


async def test_workers_that_start_at_once(url: str) -> None:
    """The schema is made once, whoever comes first."""
    ledgers = [PostgresLedger(url) for _ in range(4)]
    await asyncio.gather(*(ledger.open() for ledger in ledgers))
    await take(ledgers[3], unborn("acc"), load(unborn("acc")))
    assert await ledgers[0].accounts() == ["acc"]
    for ledger in ledgers:
        await ledger.close()


INSERT = """
INSERT INTO journal SELECT $1, seq, position_base + pg_current_xact_id()::text::bigint * 1024, at, kind, key, rrn, stan,
                           decision, journal.hash FROM journal, ledger_schema WHERE account = 'acc'"""


async def test_since_never_steps_over_a_late_commit(url: str) -> None:
    """A decision that began early and commits late has a low position: a cursor waits for it."""
    async with opened_postgres(url) as ledger, connected(url) as slow:
        head = await take(ledger, unborn("acc"), load(unborn("acc")))
        cursor = (await ledger.since(0))[-1].position
        late = slow.transaction()
        await late.start()
        await slow.execute(INSERT, "late")
        await take(ledger, head, load(head))
        assert await ledger.since(cursor) == []
        assert len(await ledger.journal("acc")) == 2
        await late.commit()
        behind = await ledger.since(cursor)
        assert [row.position for row in behind] == sorted(row.position for row in behind)
        assert len(behind) == 2
        assert behind[0].position < (await ledger.find(account="acc", limit=1))[0].position


async def test_a_cursor_beside_many_workers_sees_every_decision_once(url: str) -> None:
    """Read while three workers write: in the end the reader has the whole journal, each account in its order."""
    ledgers = [PostgresLedger(url) for _ in range(3)]
    for ledger in ledgers:
        await ledger.open()
    names = [[f"w{worker}-{number}" for number in range(5)] for worker in range(3)]
    writing = asyncio.gather(*(one_worker(ledger, mine, 40) for ledger, mine in zip(ledgers, names, strict=True)))
    seen, cursor = [], 0
    while True:
        done = writing.done()
        while page := await ledgers[0].since(cursor, 7):
            seen += page
            cursor = page[-1].position
        if done:
            break
        await asyncio.sleep(0)
    assert len(seen) == sum(await writing) == 600
    for account in (name for mine in names for name in mine):
        assert [row.seq for row in seen if row.decision.account == account] == list(range(1, 41))
    for ledger in ledgers:
        await ledger.close()


async def test_positions_go_on_after_a_restore_into_a_younger_cluster(url: str) -> None:
    """There the numbers of transactions begin anew; new decisions still come behind the old ones."""
    async with opened_postgres(url) as ledger:
        head = await take(ledger, unborn("acc"), load(unborn("acc")))
    async with connected(url) as restored:
        await restored.execute("UPDATE journal SET position = position + (1::bigint << 40)")
    async with opened_postgres(url) as ledger:
        (old,) = await ledger.since(0)
        await take(ledger, head, load(head))
        (new,) = await ledger.since(old.position)
        assert (new.seq, [row.seq for row in await ledger.since(0)]) == (2, [1, 2])


# ------------------------------------------------------------------------------------------------- the server goes away


@pytest.fixture
def restored(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """The server, running again afterwards."""
    yield postgres
    if not postgres.is_running:
        postgres.start()


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGINT], ids=["immediate", "fast"])
async def test_a_server_that_goes_away_and_comes_back(restored: PostgresServer, how: signal.Signals) -> None:
    """Meanwhile nothing is taken or read, at once; afterwards it goes on, and nothing is lost."""
    ups: list[bool] = []
    url = restored.database()
    ledger = PostgresLedger(url, on_up=ups.append)
    await ledger.open()
    head = await take(ledger, unborn("acc"), load(unborn("acc")))
    restored.stop(how)
    await until(lambda: not ledger.healthy)
    with pytest.raises(LedgerDownError):
        await take(ledger, head, load(head))
    with pytest.raises(LedgerDownError):
        await ledger.head("acc")
    restored.start()
    await until(lambda: ledger.healthy)
    assert await ledger.head("acc") == head
    await take(ledger, head, load(head))
    await ledger.close()
    assert ups == [True, False, True, False]


async def test_power_cuts_of_the_server_in_mid_load(restored: PostgresServer) -> None:
    """Whatever was acknowledged is there, whatever was of unknown outcome is there once or not at all."""
    url = restored.database()
    ledger = PostgresLedger(url)
    await ledger.open()
    acknowledged: dict[str, int] = {}
    stopping = False

    async def one_account(name: str) -> None:
        head = unborn(name)
        while not stopping:
            try:
                head = await take(ledger, head, load(head, 1))
                acknowledged[name] = head.account.seq
            except LedgerDownError:
                await asyncio.sleep(0.01)

    names = [f"acc{number}" for number in range(20)]
    running = [asyncio.create_task(one_account(name)) for name in names]
    for turn in range(1, 4):
        await until(lambda turn=turn: sum(acknowledged.values()) > turn * 300)
        await asyncio.to_thread(restored.stop)
        await asyncio.to_thread(restored.start)
    await until(lambda: ledger.healthy)
    stopping = True
    await asyncio.gather(*running)  # a StaleAccountError here would be a decision that was doubled or lost
    for name in names:
        head = await ledger.head(name)
        assert head is not None
        assert head.account.seq == head.account.balance == acknowledged[name]
    await ledger.close()
    assert await asyncio.to_thread(differences, url) == []


class Proxy:
    """Between ledger and server; `cut` closes what is open, `deaf` lets no byte of the server through."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []
        self._links: list[asyncio.Task[None]] = []
        self.deaf = False
        self.heard = asyncio.Event()
        """Something came from the server while deaf."""

    async def start(self) -> int:
        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._links.append(asyncio.create_task(self._link(reader, writer)))

        self._server = await asyncio.start_server(begin, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, there]
        await asyncio.gather(self._pump(reader, there, False), self._pump(there_reader, writer, True))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, from_server: bool) -> None:
        try:
            while data := await source.read(65_536):
                if from_server and self.deaf:
                    self.heard.set()
                    continue
                sink.write(data)
        except ConnectionError:
            pass  # cut: that is what it is for
        finally:
            sink.close()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def close(self) -> None:
        self._server.close()
        self.cut()
        await asyncio.wait(self._links)


@pytest.fixture
async def proxy(postgres: PostgresServer) -> AsyncIterator[Proxy]:
    made = Proxy(postgres.port)
    yield made
    await made.close()


async def test_a_commit_whose_acknowledgement_was_lost(postgres: PostgresServer, url: str, proxy: Proxy) -> None:
    """The server took it, the answer never came: it is asked after, found there, and is there once."""
    port = await proxy.start()
    ledger = PostgresLedger(url.replace(str(postgres.port), str(port)))
    await ledger.open()
    base = await take(ledger, unborn("acc"), load(unborn("acc")))
    proxy.deaf = True
    head, first = queue(ledger, base, load(base))
    top, second = queue(ledger, head, approve(head, "000001"))
    _, not_sent = queue(ledger, base, load(base, 5))
    await proxy.heard.wait()
    proxy.deaf = False
    proxy.cut()
    await first
    await second
    with pytest.raises(LedgerDownError):
        await not_sent
    assert await ledger.head("acc") == top
    assert [row.seq for row in await ledger.journal("acc")] == [1, 2, 3]
    assert len(await ledger.holds("acc")) == 1
    await take(ledger, top, load(top))
    await ledger.close()


async def test_a_lost_acknowledgement_when_others_went_on(postgres: PostgresServer, url: str, proxy: Proxy) -> None:
    """Another worker decided on top of it meanwhile: it was taken all the same, and the waiter hears so."""
    port = await proxy.start()
    ledger = PostgresLedger(url.replace(str(postgres.port), str(port)))
    await ledger.open()
    proxy.deaf = True
    mine, unknown = queue(ledger, unborn("acc"), load(unborn("acc")))
    await proxy.heard.wait()
    async with opened_postgres(url) as other:
        await take(other, mine, load(mine))
    proxy.deaf = False
    proxy.cut()
    await unknown
    assert len(await ledger.journal("acc")) == 2
    await ledger.close()


async def test_a_server_that_says_nothing(postgres: PostgresServer, url: str, proxy: Proxy) -> None:
    """A dead network gives no error: after a while the commit is asked after on another connection."""
    port = await proxy.start()
    ledger = PostgresLedger(url.replace(str(postgres.port), str(port)), stall_seconds=0.2)
    await ledger.open()
    proxy.deaf = True
    head, unknown = queue(ledger, unborn("acc"), load(unborn("acc")))
    await until(lambda: not ledger.healthy)
    assert not unknown.done()
    proxy.deaf = False
    proxy.cut()
    await unknown
    assert await ledger.head("acc") == head
    await ledger.close()


async def test_closing_while_the_server_is_away(restored: PostgresServer) -> None:
    """What was sent stays unknown, and is not answered; what was not sent is refused; closing does not wait for ever."""
    ledger = PostgresLedger(restored.database(), stall_seconds=0.2)
    await ledger.open()
    backends = await ledger._pool.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = 'authsvc'")
    for (pid,) in backends:
        os.kill(pid, signal.SIGSTOP)
    _, unknown = queue(ledger, unborn("acc"), load(unborn("acc")))
    await until(lambda: not ledger._queue)
    _, refused = queue(ledger, unborn("other"), load(unborn("other")))
    for (pid,) in backends:
        os.kill(pid, signal.SIGKILL)
    await asyncio.to_thread(restored.stop)
    await ledger.close()
    with pytest.raises(CommitUnknownError):
        await unknown
    with pytest.raises(LedgerDownError) as raised:
        await refused
    assert not isinstance(raised.value, CommitUnknownError)


async def test_closing_makes_durable_what_was_queued(url: str) -> None:
    """Close waits for the queue, and after it nothing is taken."""
    async with opened_postgres(url) as ledger:
        head, durable = queue(ledger, unborn("acc"), load(unborn("acc")))
    await durable
    _, refused = queue(ledger, head, load(head))
    with pytest.raises(LedgerDownError):
        await refused
    with pytest.raises(LedgerDownError):
        await ledger.head("acc")
    async with opened_postgres(url) as ledger:
        assert await ledger.head("acc") == head


# ------------------------------------------------------------------------------------------------- what it must promise


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("synchronous_commit = off", "synchronous_commit is off"),
        ("default_transaction_read_only = on", "takes no writes"),
    ],
)
async def test_a_database_that_could_lose_answers_is_refused(
    postgres: PostgresServer, url: str, setting: str, problem: str
) -> None:
    """Law 5: no start on settings under which an acknowledged commit may be gone after a power cut."""
    postgres.execute(postgres.url("postgres"), f"ALTER DATABASE {url.rpartition('/')[2]} SET {setting}")
    with pytest.raises(ConfigError, match=rf"^ledger\.url: .*{problem}"):
        await PostgresLedger(url).open()


async def test_fsync_off_is_refused(postgres: PostgresServer, url: str) -> None:
    postgres.stop(signal.SIGINT)
    postgres.start(fsync="off")
    try:
        with pytest.raises(ConfigError, match=r"^ledger\.url: fsync is off"):
            await PostgresLedger(url).open()
    finally:
        postgres.stop(signal.SIGINT)
        postgres.start()


async def test_what_was_checked_stays(postgres: PostgresServer, url: str) -> None:
    """An operator who turns synchronous_commit off later does not turn it off for an engine that runs."""
    async with opened_postgres(url) as ledger:
        postgres.execute(
            postgres.url("postgres"), "ALTER SYSTEM SET synchronous_commit = off", "SELECT pg_reload_conf()"
        )
        try:
            await take(ledger, unborn("acc"), load(unborn("acc")))
            assert await ledger._connection.fetchval("SHOW synchronous_commit") == "on"
        finally:
            postgres.execute(postgres.url("postgres"), "ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")


async def test_a_database_of_another_encoding(postgres: PostgresServer) -> None:
    """Decisions are UTF-8, byte for byte."""
    postgres.execute(postgres.url("postgres"), "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(ConfigError, match="UTF8"):
        await PostgresLedger(postgres.url("latin")).open()


async def test_a_newer_schema_is_not_touched(url: str) -> None:
    """A database that a newer version wrote stops the start and is named; a reader refuses it as well."""
    async with opened_postgres(url):
        pass
    async with connected(url) as newer:
        await newer.execute("UPDATE ledger_schema SET version = 99")
    with pytest.raises(ConfigError, match=r"^ledger\.url: .*newer authsvc \(schema 99"):
        await PostgresLedger(url).open()
    with pytest.raises(ConfigError, match="schema 99"):
        await asyncio.to_thread(PostgresRecords, url)


@pytest.mark.parametrize("partitions", [0, 2])
async def test_an_older_schema_is_brought_up_to_date(url: str, partitions: int) -> None:
    """A ledger of version 1 goes on where it was: its rows are kept, and new tables are divided as the old ones."""
    async with connected(url) as older:
        await older.execute(MAKE_VERSION)
        await older.execute("INSERT INTO ledger_schema VALUES (true, 1, $1, 0)", partitions)
        await older.execute(schema_of(1, partitions))
        await older.execute("INSERT INTO holds VALUES ('old', 'one', 'card-1', 5, 1, 2, 'open', NULL)")
        state = '{"id":"one","product":"prepaid-sgb"}'
        await older.execute("INSERT INTO head VALUES ('one', 1, $1, $2)", bytes(32), state)
    async with opened_postgres(url) as ledger:
        await take(ledger, unborn("acc"), approve(unborn("acc"), "000001"))
        holds = [*await ledger.holds("one"), *await ledger.holds("acc")]
        assert [(hold.id, hold.code) for hold in holds] == [("old", ""), ("acc-000001", "A1B2C3")]
        assert await ledger.held_by_product() == {"prepaid-sgb": Held(1, 5), "prepaid-bps": Held(1, 10_00)}
    async with connected(url) as asking:
        assert await asking.fetchval("SELECT version FROM ledger_schema") == SCHEMA_VERSION
        parts = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'entries'::regclass"
        assert await asking.fetchval(parts) == partitions


@pytest.mark.parametrize(
    "row", ["'fees', 'fees', 5", "'cardholder', 'fees', 0", "'cardholder', 'fees', -5"],
    ids=["to itself", "of nothing", "backwards"],
)  # fmt: skip
async def test_the_database_itself_keeps_the_entries_right(url: str, row: str) -> None:
    """Each row takes from one account what it gives to another: whatever writes it, the sum is zero."""
    async with opened_postgres(url), connected(url) as writing:
        with pytest.raises(asyncpg.CheckViolationError):
            await writing.execute(f"INSERT INTO entries VALUES ('acc', 1, 0, 1, 'p', 'fee', '', {row})")


async def test_a_database_with_other_tables(url: str) -> None:
    """Somebody else's `journal` is not used, and nothing is left of our try."""
    async with connected(url) as other:
        await other.execute("CREATE TABLE journal (x int)")
    with pytest.raises(ConfigError, match=r"^ledger\.url: .*42P07"):
        await PostgresLedger(url).open()
    async with connected(url) as other:
        assert await other.fetchval("SELECT to_regclass('ledger_schema')") is None


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ("postgresql://postgres:secret@127.0.0.1:1/x", NotThereError),
        ("postgresql://postgres:secret@localhost:1/x", NotThereError),
        ("no url with secret", ConfigError),
        ("postgresql://postgres:secret@no-such-host.invalid/x", ConfigError),
    ],
)
async def test_a_server_that_is_not_there(wrong: str, kind: type[ConfigError]) -> None:
    """Named, without what the URL holds; told apart from one that may be there in a moment."""
    with pytest.raises(ConfigError, match=r"^ledger\.url: ") as raised:
        await PostgresLedger(wrong, start_seconds=0).open()
    assert type(raised.value) is kind
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


async def test_a_database_that_is_not_there(postgres: PostgresServer) -> None:
    """A server that answers and says no is not asked again."""
    with pytest.raises(ConfigError, match="3D000") as raised:
        await PostgresLedger(postgres.url("no_such_database")).open()
    assert type(raised.value) is ConfigError


async def test_nobody_waits_for_the_start_any_more() -> None:
    """Told to stop while the server is awaited: at once."""
    given_up = asyncio.Event()
    opening = asyncio.create_task(PostgresLedger("postgresql://u@127.0.0.1:1/x", given_up=given_up).open())
    await asyncio.sleep(0.2)
    assert not opening.done()
    given_up.set()
    with pytest.raises(NotThereError):
        await asyncio.wait_for(opening, 5)


async def test_partitions_are_what_they_were_made_as(url: str) -> None:
    """A later start with another number changes nothing: it counts when the schema is made."""
    async with opened_postgres(url, partitions=2) as ledger:
        await asyncio.gather(*(take(ledger, unborn(f"acc{n}"), refuse(unborn(f"acc{n}"), "1")) for n in range(20)))
    async with opened_postgres(url, partitions=5) as ledger:
        assert len(await ledger.accounts()) == 20
    async with connected(url) as asking:
        for table in ("journal", "head", "holds", "entries", "vault"):
            assert await asking.fetchval("SELECT count(*) FROM pg_inherits WHERE inhparent = $1::regclass", table) == 2
        assert await asking.fetchval("SELECT count(DISTINCT tableoid) FROM head") == 2


def test_every_table_can_be_divided() -> None:
    """Each table of every schema file says by what it is divided; none is forgotten. A file may have none."""
    divided, whole = ("".join(schema_of(n, parts) for n in range(1, SCHEMA_VERSION + 1)) for parts in (4, 0))
    tables = [statement for statement in divided.split(";") if "CREATE TABLE" in statement]
    assert tables
    assert all("PARTITION BY HASH (" in table or " PARTITION OF " in table for table in tables)
    assert "PARTITION OF" not in whole
