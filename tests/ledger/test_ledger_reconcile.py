"""reconcile: every kind of damage is found, and named with its account."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest
from ledger_story import NOON, approve, end, load, opened, queue, reduce, take, unborn
from msgspec.structs import replace

from authsvc.ledger.reconcile import Difference, What, reconcile
from authsvc.ledger.sqlite_reader import SqliteReader, open_reader
from authsvc.model import Account, AccountId, Head
from authsvc.rules.evolve import evolve


async def write_story(path: Path) -> dict[AccountId, list[Head]]:
    """Three accounts of seven decisions: a load, two holds, one reduced, one ended; returns all their heads. Documents as of
    the first, the fourth and the last."""
    heads = {AccountId(name): [unborn(name)] for name in ("acc1", "acc2", "acc3")}
    async with opened(path, every=3) as ledger:
        for known in heads.values():
            for made in (
                load,
                lambda at: approve(at, "000001", key=11),
                lambda at: approve(at, "000002"),
                lambda at: reduce(at, "000001", 5_00),
                lambda at: end(at, "000002"),
                load,
                load,
            ):
                known.append(await take(ledger, known[-1], made(known[-1])))
    return heads


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def heads(path: Path) -> dict[AccountId, list[Head]]:
    return asyncio.run(write_story(path))


def differences(path: Path, **more: object) -> list[Difference]:
    reader: SqliteReader = open_reader(path)
    found = list(reconcile(reader, evolve, **more))
    reader.close()
    return found


def test_a_sound_ledger_has_no_difference(path: Path, heads: dict[AccountId, list[Head]]) -> None:
    """Nothing is found where nothing is wrong, with a copy that is level, behind, new, or not there."""
    assert differences(path) == []
    for copies in ({name: known[age] for name, known in heads.items()} for age in (-1, 3, 0)):
        assert differences(path, copy=copies.get) == []
    assert differences(path, copy=lambda _: None) == []


@pytest.mark.parametrize(
    ("damage", "what", "seq"),
    [
        ("DELETE FROM journal WHERE account = 'acc2' AND seq = 4", What.SEQUENCE, 5),
        ("DELETE FROM journal WHERE account = 'acc2' AND seq = 1", What.SEQUENCE, 2),
        ("DELETE FROM journal WHERE account = 'acc2' AND seq = 7", What.HEAD, 6),
        ("UPDATE journal SET decision = replace(decision, 'top-up', 'top-op') WHERE account = 'acc2' AND seq = 1",
         What.CHAIN, 1),
        ("UPDATE journal SET hash = zeroblob(32) WHERE account = 'acc2' AND seq = 3", What.CHAIN, 3),
        ("UPDATE journal SET key = 12 WHERE account = 'acc2' AND seq = 2", What.COLUMNS, 2),
        ("UPDATE journal SET rrn = 'x' WHERE account = 'acc2' AND seq = 2", What.COLUMNS, 2),
        ("UPDATE states SET state = replace(state, '30000', '30001') WHERE account = 'acc2'", What.HEAD, 7),
        ("UPDATE states SET state = '{' WHERE account = 'acc2'", What.HEAD, 7),
        ("UPDATE states SET seq = 6 WHERE account = 'acc2'", What.HEAD, 6),
        ("UPDATE states SET seq = 9 WHERE account = 'acc2'", What.HEAD, 7),
        ("DELETE FROM states WHERE account = 'acc2'", What.HEAD, 7),
        ("UPDATE head SET hash = zeroblob(32) WHERE account = 'acc2'", What.HEAD, 7),
        ("UPDATE head SET seq = 8 WHERE account = 'acc2'", What.HEAD, 7),
        ("DELETE FROM head WHERE account = 'acc2'", What.HEAD, 7),
        ("UPDATE holds SET amount = 1 WHERE id = 'acc2-000001'", What.HOLDS, 7),
        ("DELETE FROM holds WHERE id = 'acc2-000002'", What.HOLDS, 5),
        ("UPDATE holds SET status = 'posted' WHERE id = 'acc2-000002'", What.HOLDS, 5),
        ("UPDATE holds SET status = 'posted', ended_at = 1 WHERE id = 'acc2-000001'", What.HOLDS, 7),
        ("INSERT INTO holds VALUES ('acc2', 'made up', 'card-1', 1, 1, 1, 'open', NULL, '', '')", What.HOLDS, 7),
        ("UPDATE holds SET code = 'ZZZZZZ' WHERE id = 'acc2-000001'", What.HOLDS, 7),
        ("UPDATE entries SET amount = 1 WHERE account = 'acc2' AND seq = 1", What.ENTRIES, 1),
        ("UPDATE entries SET credit = 'fees' WHERE account = 'acc2' AND seq = 1", What.ENTRIES, 1),
        ("DELETE FROM entries WHERE account = 'acc2' AND seq = 1", What.ENTRIES, 1),
        ("INSERT INTO entries VALUES ('acc2', 9, 0, 1, 'x', 'fee', '', 'cardholder', 'fees', 1)", What.ENTRIES, 9),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("heads")
def test_planted_damage_is_found(path: Path, damage: str, what: What, seq: int) -> None:
    """One wrong row: one account is named, with what is wrong and where it shows."""
    with apsw.Connection(str(path)) as connection:
        connection.execute(damage)
        assert connection.changes() == 1
    assert {(found.account, found.what, found.seq) for found in differences(path)} == {("acc2", what, seq)}


@pytest.mark.usefixtures("heads")
def test_holds_that_may_be_gone_are_not_missed(path: Path) -> None:
    """What ended before the moment that the ledger keeps holds since is no damage; what ended later is."""
    with apsw.Connection(str(path)) as connection:
        connection.execute("DELETE FROM holds WHERE id = 'acc2-000002'")
        connection.execute("INSERT INTO meta VALUES ('holds_kept_since', ?)", (NOON + 100,))
    assert differences(path) == []
    with apsw.Connection(str(path)) as connection:
        connection.execute("UPDATE meta SET value = ?", (NOON + 99,))
    assert {found.what for found in differences(path)} == {What.HOLDS}


@pytest.mark.usefixtures("heads")
def test_a_decision_that_cannot_be_recorded_is_found(path: Path) -> None:
    """When folding fails, the decision is named and the other accounts are still checked."""

    def fails(account: Account, decision: object) -> Account:
        if account.id == "acc1":
            raise KeyError("card")
        return evolve(account, decision)

    reader = open_reader(path)
    assert [(found.account, found.what, found.seq) for found in reconcile(reader, fails)] == [("acc1", What.FOLD, 1)]
    reader.close()


@pytest.mark.usefixtures("heads")
def test_a_journal_without_head_and_a_hold_without_journal(path: Path) -> None:
    """An account that only one table names is checked too."""
    with apsw.Connection(str(path)) as connection:
        connection.execute("INSERT INTO holds VALUES ('acc9', 'made up', 'card-1', 1, 1, 1, 'open', NULL, '', '')")
    assert {(found.account, found.what) for found in differences(path)} == {("acc9", What.HEAD), ("acc9", What.HOLDS)}


@pytest.mark.parametrize(
    ("age", "change", "seq"),
    [
        (7, {"balance": 1}, 7),
        (3, {"balance": 1}, 3),
        (7, {"seq": 8}, 8),
        (0, {"balance": 1}, 0),
    ],
)
def test_a_copy_of_another_history_is_found(
    path: Path, heads: dict[AccountId, list[Head]], age: int, change: dict[str, int], seq: int
) -> None:
    """A Redis copy that is ahead, or says something else than the journal at its own number, is a difference."""
    head = heads[AccountId("acc3")][age]
    copies = {AccountId("acc3"): Head(replace(head.account, **change), head.hash)}
    (found,) = differences(path, copy=copies.get)
    assert (found.account, found.what, found.seq) == ("acc3", What.COPY, seq)
    other_hash = {AccountId("acc3"): Head(head.account, bytes(range(32)))}
    (found,) = differences(path, copy=other_hash.get)
    assert (found.what, found.detail) == (What.COPY, "has another hash than the journal there")


async def test_beside_a_running_engine(path: Path) -> None:
    """Reconcile reads while decisions come in, and finds nothing wrong."""
    async with opened(path) as ledger:
        head, waiting = unborn("acc"), []
        check = asyncio.create_task(asyncio.to_thread(differences, path))
        while not check.done():
            head, durable = queue(ledger, head, load(head))
            waiting.append(durable)
            await durable
        assert await check == []
        assert await asyncio.to_thread(differences, path) == []


@pytest.mark.usefixtures("heads")
def test_details_hold_no_values(path: Path) -> None:
    """A difference names the fields, never what is in them."""
    with apsw.Connection(str(path)) as connection:
        connection.execute("UPDATE states SET state = replace(state, '30000', '31337') WHERE account = 'acc1'")
    (found,) = differences(path)
    assert found.detail == "differs in balance"
