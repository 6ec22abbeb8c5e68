"""reconcile on PostgreSQL: the same proof, by a reader outside of any event loop. Each kind of damage in its own SQL."""

from __future__ import annotations

import asyncio

import pytest
from ledger_story import approve, end, load, opened_postgres, queue, reduce, take, unborn
from postgres_server import PostgresServer

from authsvc.ledger import postgres_records
from authsvc.ledger.postgres_records import PostgresRecords
from authsvc.ledger.reconcile import Difference, What, reconcile
from authsvc.rules.evolve import evolve


async def write_story(url: str, partitions: int) -> None:
    """Three accounts of seven decisions: a load, two holds, one reduced, one ended."""
    async with opened_postgres(url, partitions) as ledger:
        for name in ("acc1", "acc2", "acc3"):
            head = unborn(name)
            for made in (
                load,
                lambda at: approve(at, "000001", key=11),
                lambda at: approve(at, "000002"),
                lambda at: reduce(at, "000001", 5_00),
                lambda at: end(at, "000002"),
                load,
                load,
            ):
                head = await take(ledger, head, made(head))


@pytest.fixture(params=[0, 2], ids=["whole", "partitioned"])
def url(request: pytest.FixtureRequest, postgres: PostgresServer) -> str:
    made = postgres.database()
    asyncio.run(write_story(made, request.param))
    return made


def differences(url: str) -> list[Difference]:
    records = PostgresRecords(url)
    found = list(reconcile(records, evolve))
    records.close()
    return found


def test_a_sound_ledger_has_no_difference(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found where nothing is wrong, however the journal is cut into pages."""
    assert differences(url) == []
    monkeypatch.setattr(postgres_records, "PAGE", 3)
    assert differences(url) == []


@pytest.mark.parametrize(
    ("damage", "what", "seq"),
    [
        ("DELETE FROM journal WHERE account = 'acc2' AND seq = 4", What.SEQUENCE, 5),
        ("UPDATE journal SET decision = replace(decision, 'top-up', 'top-op') WHERE account = 'acc2' AND seq = 1",
         What.CHAIN, 1),
        ("UPDATE journal SET hash = sha256('x') WHERE account = 'acc2' AND seq = 3", What.CHAIN, 3),
        ("UPDATE journal SET key = 12 WHERE account = 'acc2' AND seq = 2", What.COLUMNS, 2),
        ("UPDATE head SET state = replace(state, '30000', '30001') WHERE account = 'acc2'", What.HEAD, 7),
        ("DELETE FROM head WHERE account = 'acc2'", What.HEAD, 7),
        ("UPDATE entries SET amount = 1 WHERE account = 'acc2' AND seq = 1", What.ENTRIES, 1),
        ("DELETE FROM entries WHERE account = 'acc2' AND seq = 1", What.ENTRIES, 1),
        ("INSERT INTO entries VALUES ('acc2', 9, 0, 1, 'x', 'fee', '', 'cardholder', 'fees', 1)", What.ENTRIES, 9),
        ("UPDATE holds SET amount = 1 WHERE id = 'acc2-000001'", What.HOLDS, 7),
        ("DELETE FROM holds WHERE id = 'acc2-000002'", What.HOLDS, 5),
        ("INSERT INTO holds VALUES ('made up', 'acc2', 'card-1', 1, 1, 1, 'open', NULL, '', '')", What.HOLDS, 7),
    ],
)  # fmt: skip
def test_planted_damage_is_found(url: str, postgres: PostgresServer, damage: str, what: What, seq: int) -> None:
    """One wrong row: one account is named, with what is wrong and where it shows."""
    postgres.execute(url, damage)
    assert {(found.account, found.what, found.seq) for found in differences(url)} == {("acc2", what, seq)}


def test_an_account_that_only_one_table_names(url: str, postgres: PostgresServer) -> None:
    """It is checked too."""
    postgres.execute(url, "INSERT INTO holds VALUES ('made up', 'acc9', 'card-1', 1, 1, 1, 'open', NULL, '', '')")
    assert {(found.account, found.what) for found in differences(url)} == {("acc9", What.HEAD), ("acc9", What.HOLDS)}


async def test_beside_a_running_engine(postgres: PostgresServer) -> None:
    """Reconcile reads while decisions come in, and finds nothing wrong."""
    url = postgres.database()
    async with opened_postgres(url) as ledger:
        head, waiting = unborn("acc"), []
        check = asyncio.create_task(asyncio.to_thread(differences, url))
        while not check.done():
            head, durable = queue(ledger, head, load(head))
            waiting.append(durable)
            await durable
        assert await check == []
        assert await asyncio.to_thread(differences, url) == []


def test_find_for_explain(url: str) -> None:
    """The decisions on a message, newest first."""
    records = PostgresRecords(url)
    assert [row.decision.id for row in records.find("000000000002", "", "", 2)] == ["acc3:3", "acc2:3"]
    records.close()
