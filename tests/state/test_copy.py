"""The copy is read first, written forward only, and no fault of Redis reaches a caller."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from authsvc.errors import LedgerDownError
from authsvc.metrics import Metrics
from authsvc.model import Account, AccountId, Head, Minor
from authsvc.model.documents import account_of
from authsvc.state.connection import RedisConnection
from authsvc.state.copy import STORE_FORWARD, STORE_FORWARD_SHA, RedisState
from authsvc.state.embedded import EmbeddedValkey
from authsvc.state.fields import FIELDS, fields_of, key_of_account

ANNA = AccountId("anna")
KEY = key_of_account(ANNA)


def head(seq: int, account: AccountId = ANNA, fill: int | None = None) -> Head:
    digest = bytes([(seq if fill is None else fill) % 256]) * 32
    return Head(Account(account, "prepaid-bps", seq, balance=Minor(100 * seq)), digest)


class Journal:
    """Head rows in memory, read as slowly as a disk; counts how often each was read."""

    def __init__(self) -> None:
        self.heads: dict[AccountId, Head] = {}
        self.reads: Counter[AccountId] = Counter()
        self.down = False

    async def __call__(self, account: AccountId) -> Head | None:
        self.reads[account] += 1
        await asyncio.sleep(0.005)
        if self.down:
            raise LedgerDownError("disk")
        return self.heads.get(account)


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def state(
    connection: RedisConnection, journal: Journal, registry: CollectorRegistry
) -> AsyncIterator[RedisState]:
    await connection.call("SCRIPT", "LOAD", STORE_FORWARD)  # so that a store is done before what is sent after it
    copy = RedisState(connection, journal, Metrics(registry))
    yield copy
    await copy.close()


@pytest.fixture
async def patient(connection: RedisConnection, journal: Journal) -> AsyncIterator[RedisState]:
    """Of an engine that decides alone."""
    await connection.call("SCRIPT", "LOAD", STORE_FORWARD)
    copy = RedisState(connection, journal, Metrics(CollectorRegistry()), patience=0.1)
    yield copy
    await copy.close()


@pytest.fixture
async def unhurried(valkey: EmbeddedValkey) -> AsyncIterator[RedisConnection]:
    """Eighty megabytes may take their time on a busy machine."""
    link = RedisConnection(valkey.url, timeout_ms=20_000)
    await link.start()
    await link.call("SCRIPT", "LOAD", STORE_FORWARD)
    yield link
    await link.close()


def misses(registry: CollectorRegistry, cause: str) -> float:
    return registry.get_sample_value("authsvc_state_misses_total", {"cause": cause}) or 0


async def test_what_was_stored_is_loaded(state: RedisState, journal: Journal, admin: redis.Redis) -> None:
    """A stored state is loaded without the journal, and an operator can read it."""
    state.store(head(7))
    assert await state.load(ANNA) == await state.peek(ANNA) == head(7)
    assert not journal.reads
    assert admin.hget("acct:{anna}", "v") == "7"
    assert account_of(str(admin.hget("acct:{anna}", "s")).encode()) == head(7).account


async def test_a_state_that_waits_is_loaded_all_the_same(
    patient: RedisState, journal: Journal, admin: redis.Redis
) -> None:
    """Redis gets the first soon, then the newest of those that came meanwhile, even when nothing more comes."""
    patient.store(head(1))
    while not admin.exists(KEY):
        assert await patient.load(ANNA) == head(1)
        await asyncio.sleep(0.005)
    for seq in range(2, 8):
        patient.store(head(seq))
        assert await patient.load(ANNA) == head(seq)
    assert admin.hget(KEY, "v") == "1"
    while admin.hget(KEY, "v") != "7":
        assert await patient.load(ANNA) == head(7)
        await asyncio.sleep(0.005)
    assert admin.info("commandstats")["cmdstat_evalsha"]["calls"] == 2
    assert not journal.reads
    while patient._resting:
        await asyncio.sleep(0.02)


async def test_what_is_called_for_is_written_at_once(patient: RedisState, admin: redis.Redis) -> None:
    """It is to leave our memory: from then on Redis alone has it, and is asked. Nothing is lost where nothing waits."""
    patient.store(head(1))
    patient.call_for(ANNA)
    while not admin.exists(KEY):
        await asyncio.sleep(0.005)
    patient.store(head(2))
    patient.call_for(ANNA)
    patient.call_for(ANNA)
    assert await patient.load(ANNA) == await patient.peek(ANNA) == head(2)
    admin.delete(KEY)
    assert await patient.load(ANNA) is None


async def test_what_is_called_for_while_redis_is_away_is_in_the_journal(
    patient: RedisState, journal: Journal, connection: RedisConnection
) -> None:
    patient.store(head(1))
    await asyncio.sleep(0.05)
    patient.store(head(2))
    await connection.close()
    patient.call_for(ANNA)
    journal.heads[ANNA] = head(2)
    assert await patient.load(ANNA) == head(2)
    assert journal.reads[ANNA] == 1


def long_ones() -> list[Head]:
    """Of megabytes each."""
    return [Head(Account(AccountId(f"a{n}"), "x" * 4_000_000, 2), bytes(32)) for n in range(20)]


async def test_a_question_does_not_stand_behind_what_redis_is_told(
    unhurried: RedisConnection, journal: Journal
) -> None:
    """Megabytes of states are on their way: each of them is found here, and an account that Redis has is read before they
    have arrived."""
    patient = RedisState(unhurried, journal, Metrics(CollectorRegistry()), patience=0.1)
    patient.store(head(1))
    patient.call_for(ANNA)
    assert await patient.peek(ANNA) == head(1)
    long = long_ones()
    for each in long:
        patient.store(each)
        patient.call_for(each.account.id)
    arrived = asyncio.ensure_future(patient.peek(long[-1].account.id))
    assert [await patient.load(each.account.id) for each in long] == long
    assert await patient.load(ANNA) == head(1)
    assert not arrived.done()
    assert await arrived == long[-1]
    assert await patient.load(ANNA) == head(1)
    assert not journal.reads
    assert not patient._told  # what has arrived is kept by Redis alone
    await patient.close()


async def test_where_others_decide_a_question_stands_in_line(unhurried: RedisConnection, journal: Journal) -> None:
    """What they tell Redis does so too: who overtakes both finds what is old, and loses the race."""
    state = RedisState(unhurried, journal, Metrics(CollectorRegistry()))
    state.store(head(1))
    assert await state.peek(ANNA) == head(1)
    for each in long_ones():
        state.store(each)
    arrived = asyncio.ensure_future(state.peek(AccountId("a19")))
    await asyncio.sleep(0)
    assert await state.load(ANNA) == head(1)
    assert arrived.done()
    await state.close()


async def test_where_others_decide_redis_is_asked_always(state: RedisState, admin: redis.Redis) -> None:
    """Ours may be on its way while Redis has one of another worker, which is newer."""
    state.store(head(3))
    admin.hset(KEY, mapping=_told_by_another(head(7)))
    assert await state.load(ANNA) == head(7)


def _told_by_another(one: Head) -> Mapping[Any, Any]:
    return dict(zip(FIELDS, fields_of(one), strict=True))


async def test_what_is_on_its_way_is_not_older_than_what_was_stored(patient: RedisState, admin: redis.Redis) -> None:
    """Several of one account under way at once: the newest is found, and from Redis when all have arrived."""
    for seq in range(1, 20):
        patient.store(head(seq))
        patient.call_for(ANNA)
        assert await patient.load(ANNA) == head(seq)
    assert await patient.peek(ANNA) == head(19)
    admin.delete(KEY)
    assert await patient.load(ANNA) is None


async def test_each_waits_for_itself(patient: RedisState, admin: redis.Redis) -> None:
    """An account that does not come to rest is written all the same."""
    seq = 0
    while admin.hget(KEY, "v") in (None, "1"):
        seq += 1
        patient.store(head(seq))
        patient.store(head(seq, AccountId(f"a{seq % 3}")))
        await asyncio.sleep(0.005)
    assert 1 < int(admin.hget(KEY, "v")) <= seq  # type: ignore[arg-type]


async def test_what_waits_is_written_at_the_end(
    connection: RedisConnection, journal: Journal, admin: redis.Redis
) -> None:
    copy = RedisState(connection, journal, Metrics(CollectorRegistry()), patience=60)
    copy.store(head(2))
    copy.store(head(3))
    await copy.close()
    assert admin.hget(KEY, "v") == "3"


async def test_what_waits_is_never_older_than_what_was_stored(
    patient: RedisState, journal: Journal, connection: RedisConnection
) -> None:
    """Redis goes away while a state waits, and the account moves on without it: then the journal answers."""
    patient.store(head(1))
    await asyncio.sleep(0.05)
    patient.store(head(2))
    await connection.close()
    assert not patient.up
    patient.store(head(3))
    journal.heads[ANNA] = head(3)
    assert await patient.load(ANNA) == head(3)


async def test_after_a_lost_race_what_waits_is_forgotten(patient: RedisState, journal: Journal) -> None:
    """Somebody else has decided: what the journal says is the newest, and goes to Redis."""
    patient.store(head(2))
    patient.store(head(3))
    journal.heads[ANNA] = head(5)
    assert await patient.rebuild(ANNA) == await patient.load(ANNA) == head(5)


async def test_how_old_the_document_in_the_journal_is_comes_along(state: RedisState, admin: redis.Redis) -> None:
    """So that an account that was read here needs no new one. One that is newer than the account itself is damage."""
    state.store(replace(head(7), kept=3))
    for look in (state.load, state.peek, state.load):  # on its way to Redis; when it is there; read from there
        found = await look(ANNA)
        assert (found, found and found.kept) == (head(7), 3)
    admin.hdel(KEY, "k", "c")  # by a program that knew neither
    found = await state.load(ANNA)
    assert (found, found and found.kept) == (head(7), -1)
    for wrong in ("8", "x"):
        admin.hset(KEY, "k", wrong)
        assert await state.peek(ANNA) is None


async def test_a_missing_account_comes_from_the_journal_once(
    state: RedisState, journal: Journal, registry: CollectorRegistry
) -> None:
    """A miss is counted, answered by the journal, and put into Redis for the next one."""
    journal.heads[ANNA] = head(3)
    assert await state.peek(ANNA) is None
    assert await state.load(ANNA) == head(3)
    assert await state.load(ANNA) == await state.peek(ANNA) == head(3)
    assert journal.reads[ANNA] == 1
    assert misses(registry, "missing") == 1


async def test_nobody_knows_the_account(state: RedisState) -> None:
    """An account neither Redis nor the journal has is None."""
    assert await state.load(ANNA) is None
    assert await state.rebuild(ANNA) is None


@pytest.mark.parametrize("accounts", [1, 10])
async def test_a_thousand_misses_are_one_read_each(state: RedisState, journal: Journal, accounts: int) -> None:
    """A thousand loads at once read the journal once per missing account."""
    names = [AccountId(f"a{n % accounts}") for n in range(1000)]
    journal.heads = {name: head(n, name) for n, name in enumerate(dict.fromkeys(names))}
    assert await asyncio.gather(*map(state.load, names)) == [journal.heads[name] for name in names]
    assert journal.reads == dict.fromkeys(names, 1)


async def test_who_gives_up_does_not_take_it_from_the_others(state: RedisState, journal: Journal) -> None:
    """The first of those who wait for a journal read is cancelled; the others get their answer."""
    journal.heads[ANNA] = head(3)
    first, second = asyncio.create_task(state.load(ANNA)), asyncio.create_task(state.load(ANNA))
    while not journal.reads:
        await asyncio.sleep(0.001)
    first.cancel()
    assert await second == head(3)


async def test_the_journal_being_down_is_the_callers_business(state: RedisState, journal: Journal) -> None:
    """LedgerDownError passes through, to all who wait, and is not remembered."""
    journal.down = True
    results = await asyncio.gather(*(state.load(ANNA) for _ in range(3)), return_exceptions=True)
    assert {type(result) for result in results} == {LedgerDownError}
    journal.down, journal.heads[ANNA] = False, head(1)
    assert await state.load(ANNA) == head(1)


@pytest.fixture(scope="module")
def valkey_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Valkey that outlives the event loops of the examples."""
    folder = tmp_path_factory.mktemp("valkey")
    with asyncio.Runner() as runner:
        server = EmbeddedValkey(folder)
        runner.run(server.start())
        yield folder
        runner.run(server.stop())


@settings(max_examples=25)
@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=30))
def test_stores_in_any_order_end_at_the_newest(valkey_folder: Path, seqs: list[int]) -> None:
    """An older state never overwrites a newer one."""

    async def run() -> Head | None:
        connection = RedisConnection(f"unix://{valkey_folder}/valkey/valkey.sock", timeout_ms=1000)
        await connection.start()
        state = RedisState(connection, Journal(), Metrics(CollectorRegistry()))
        await connection.call("FLUSHALL")
        for seq in seqs:
            state.store(head(seq))
        await state.peek(ANNA)  # a script that was missing has been sent
        found = await state.peek(ANNA)
        await state.close()
        return found

    assert asyncio.run(run()) == head(max(seqs))


@pytest.mark.parametrize("command", [("FLUSHALL",), ("SCRIPT", "FLUSH"), ("DEL", KEY)])
async def test_emptied_under_load(
    state: RedisState, journal: Journal, admin: redis.Redis, command: tuple[str, ...]
) -> None:
    """Keys and scripts vanish again and again while loads and stores run: every load is answered, none is ever wrong,
    and the newest state ends up in Redis."""
    journal.heads[ANNA] = head(1)
    for seq in range(2, 300):
        found = await state.load(ANNA)
        assert found == journal.heads[ANNA]
        journal.heads[ANNA] = head(seq)
        state.store(head(seq))
        await state.peek(ANNA)  # the store has been answered; a script that was gone has been sent anew
        if seq % 10 == 0:
            admin.execute_command(*command)  # type: ignore[no-untyped-call]
            if command[0] != "SCRIPT":
                assert await state.load(ANNA) == head(seq)
    await state.peek(ANNA)
    assert await state.peek(ANNA) == head(299)


async def test_a_vanished_script_is_sent_anew(
    state: RedisState, admin: redis.Redis, registry: CollectorRegistry
) -> None:
    """SCRIPT FLUSH costs no store: many under way at once are all taken."""
    admin.script_flush()
    names = [AccountId(f"a{n}") for n in range(200)]
    for name in names:
        state.store(head(5, name))
    await state.peek(ANNA)
    assert await asyncio.gather(*map(state.peek, names)) == [head(5, name) for name in names]
    assert admin.script_exists(STORE_FORWARD_SHA.decode()) == [True]
    assert registry.get_sample_value("authsvc_state_store_failures_total") == 0


@pytest.mark.parametrize(
    ("there", "journal_at", "left"),
    [
        (
            {"v": "999999", "s": "{}", "h": "00"},
            5,
            None,
        ),  # no decision stands behind it: gone, the next store begins anew
        ({"v": "7", "s": "another worker's", "h": "00"}, 7, "7"),  # one does, of somebody who was faster: it stays
        ({"v": "7", "s": "another worker's", "h": "00"}, 9, "7"),
        ({"v": "1", "s": "older", "h": "00"}, 5, "5"),
        ({"v": "garbage", "s": "", "h": ""}, 5, "5"),
    ],
    ids=["ahead of the journal", "newer, and right", "newer, and behind meanwhile", "older", "no number"],
)
async def test_what_a_store_finds_there(
    state: RedisState, journal: Journal, admin: redis.Redis, there: dict[str, str], journal_at: int, left: str | None
) -> None:
    """An account at hand is stored without being read, so the store has to notice a copy that nothing would ever replace."""
    admin.hset(KEY, mapping=there)
    journal.heads[ANNA] = head(journal_at)
    state.store(head(5))
    await state.peek(ANNA)
    await asyncio.sleep(0.05)  # the journal is read meanwhile
    assert admin.hget(KEY, "v") == left
    state.store(head(10))
    await state.peek(ANNA)
    assert admin.hget(KEY, "v") == "10"


async def test_a_key_of_another_type_is_replaced(state: RedisState, admin: redis.Redis) -> None:
    """Somebody else's hand: the first store fails and clears the place, the next one is taken."""
    admin.set(KEY, "no hash")
    state.store(head(5))
    await state.peek(ANNA)
    state.store(head(6))
    await state.peek(ANNA)
    assert admin.hget(KEY, "v") == "6"


async def test_a_journal_that_is_down_leaves_the_doubt(state: RedisState, journal: Journal, admin: redis.Redis) -> None:
    admin.hset(KEY, mapping={"v": "999999", "s": "{}", "h": "00"})
    journal.down = True
    state.store(head(5))
    await state.peek(ANNA)
    await asyncio.sleep(0.05)
    assert admin.hget(KEY, "v") == "999999"


GOOD: dict[str, str | bytes | None] = {"v": "3", "s": msgspec.json.encode(head(3).account).decode(), "h": "03" * 32}


@pytest.mark.parametrize(
    "garbage",
    [
        {"v": "x"}, {"v": "99999999999999999999"}, {"v": "-1"}, {"v": ""}, {"v": "inf"},
        {"s": ""}, {"s": "{"}, {"s": "{}"}, {"s": "[]"}, {"s": '{"id":"anna","x":' + "[" * 100_000}, {"s": b"\xff"},
        {"s": msgspec.json.encode(head(3, AccountId("bert")).account).decode()},
        {"s": msgspec.json.encode(head(2).account).decode()},
        {"h": ""}, {"h": "zz" * 32}, {"h": "03" * 31}, {"h": b"\xff"},
        {"v": None}, {"s": None}, {"h": None},
    ],
    ids=lambda garbage: str(garbage)[:40],
)  # fmt: skip
async def test_garbage_in_the_key(
    state: RedisState, journal: Journal, admin: redis.Redis, garbage: dict[str, str | bytes | None]
) -> None:
    """A damaged state is never believed: the journal answers, and what it says replaces the damage."""
    journal.heads[ANNA] = head(3)
    fields: Mapping[Any, Any] = {name: value for name, value in (GOOD | garbage).items() if value is not None}
    admin.hset(KEY, mapping=fields)
    assert await state.load(ANNA) == head(3)
    assert await state.load(ANNA) == await state.peek(ANNA) == head(3)
    assert journal.reads[ANNA] == 1


async def test_a_key_of_another_type(state: RedisState, journal: Journal, admin: redis.Redis) -> None:
    """Where a string stands in place of the hash, stores fail quietly and the next load puts it right."""
    journal.heads[ANNA] = head(3)
    admin.set(KEY, "a string")
    state.store(head(3))
    assert await state.peek(ANNA) is None
    assert await state.load(ANNA) == await state.load(ANNA) == head(3)
    assert journal.reads[ANNA] == 1


@pytest.mark.parametrize(
    ("copied", "in_journal"),
    [
        (head(2), head(3)),  # behind: a store was lost
        (head(9), head(3)),  # ahead: the journal was restored from a backup
        (head(3, fill=77), head(3)),  # the same number on another history
        (None, head(3)),
        (head(9), None),
    ],
)
async def test_rebuild_believes_the_journal(
    state: RedisState, journal: Journal, copied: Head | None, in_journal: Head | None
) -> None:
    """After losing the race, the journal's head is what counts, and what the copy says from then on."""
    if copied is not None:
        state.store(copied)
    if in_journal is not None:
        journal.heads[ANNA] = in_journal
    assert await state.rebuild(ANNA) == in_journal
    assert await state.peek(ANNA) == in_journal


async def test_rebuild_reads_the_journal_anew(state: RedisState, journal: Journal) -> None:
    """A rebuild never takes part in a read that began before it."""
    journal.heads[ANNA] = head(1)
    load = asyncio.create_task(state.load(ANNA))
    while not journal.reads:
        await asyncio.sleep(0.001)
    await state.rebuild(ANNA)
    await load
    assert journal.reads[ANNA] == 2


async def test_killed_while_loads_are_running(
    state: RedisState, journal: Journal, valkey: EmbeddedValkey, registry: CollectorRegistry
) -> None:
    """SIGKILL of Valkey among loads and stores: no error, every load is answered; when it is back, so is the copy."""
    names = [AccountId(f"a{n}") for n in range(50)]
    journal.heads = {name: head(1, name) for name in names}
    answered = 0

    async def keep_loading(name: AccountId) -> None:
        nonlocal answered
        for _ in range(40):
            assert await state.load(name) == journal.heads[name]
            state.store(journal.heads[name])
            await state.peek(name)  # Redis has it, or is away: until then it is found here
            answered += 1

    running = asyncio.gather(*map(keep_loading, names))
    while answered < 500:
        await asyncio.sleep(0)
    assert valkey.pid is not None
    os.kill(valkey.pid, signal.SIGKILL)
    await running
    assert answered == 2000
    assert misses(registry, "down") > 0
    async with asyncio.timeout(5):
        while not state.up:
            await asyncio.sleep(0.01)
    assert await state.load(names[0]) == head(1, names[0])
    await state.peek(names[0])  # the new Valkey has no script yet: it has been sent
    assert await state.peek(names[0]) == head(1, names[0])


async def test_a_stalled_redis_is_not_waited_for(
    state: RedisState, journal: Journal, admin: redis.Redis, registry: CollectorRegistry
) -> None:
    """While Redis stalls, loads are answered by the journal and stores are dropped, long before it wakes."""
    journal.heads[ANNA] = head(3)
    state.store(head(3))
    await state.peek(ANNA)
    admin.client_pause(3000, all=True)
    async with asyncio.timeout(1):
        assert await asyncio.gather(*(state.load(ANNA) for _ in range(100))) == [head(3)] * 100
        state.store(head(4))
        assert await state.peek(ANNA) is None
    assert not state.up
    assert misses(registry, "down") == 100


async def test_without_redis_from_the_start(journal: Journal, tmp_path: Path) -> None:
    """The engine needs no Redis to know its accounts."""
    connection = RedisConnection(f"unix://{tmp_path}/none.sock")
    await connection.start()
    state = RedisState(connection, journal, Metrics(CollectorRegistry()))
    journal.heads[ANNA] = head(3)
    state.store(head(3))
    assert await state.load(ANNA) == await state.rebuild(ANNA) == head(3)
    await state.close()
