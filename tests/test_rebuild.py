"""Writing the Redis copies anew: all of them, forward only, no faster than told. On a real Valkey."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
from engine_parts import ACCOUNT, NO_REDIS, parts
from redis.backoff import NoBackoff
from redis.retry import Retry

from authsvc.errors import StateDownError
from authsvc.ledger.journal import HeadRecord, Record
from authsvc.ledger.sqlite_reader import open_reader
from authsvc.model import Account, AccountId
from authsvc.model.documents import document_of
from authsvc.rebuild import Done, rebuild
from authsvc.state.embedded import EmbeddedValkey
from authsvc.state.fields import FIELDS, head_in, key_of_account

HASH = bytes(range(32))


class Heads:
    """Head rows, as a ledger has them."""

    def __init__(self, count: int, seq: int = 5) -> None:
        accounts = [Account(id=AccountId(f"acc{number:04}"), product="prepaid-bps", seq=seq) for number in range(count)]
        self.rows = {one.id: HeadRecord(seq, HASH, document_of(one), seq) for one in accounts}

    def every_account(self) -> Iterator[AccountId]:
        return iter(self.rows)

    def head_record(self, account: AccountId) -> HeadRecord | None:
        return self.rows[account]

    def records(self, account: AccountId, after: int = 0) -> Iterator[Record]:  # noqa: ARG002 - of heads that are whole
        return iter(())


class Time:
    """Stands still but for those who sleep."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[redis.Redis]:
    valkey = EmbeddedValkey(tmp_path)
    await valkey.start()
    yield redis.Redis.from_url(valkey.url, retry=Retry(NoBackoff(), 0))
    await valkey.stop()


def run(heads: Heads, client: redis.Redis, per_second: int = 10_000) -> Done:
    clock = Time()
    return list(rebuild(heads, client, per_second, clock, clock.sleep))[-1]


async def test_every_copy_is_what_the_head_row_says(client: redis.Redis) -> None:
    heads = Heads(1234)
    assert run(heads, client) == Done(written=1234)
    for name, row in heads.rows.items():
        head = head_in(name, client.hmget(key_of_account(name), *FIELDS))
        assert head is not None
        assert (head.account.seq, head.hash) == (row.seq, HASH)


async def test_with_what_was_decided_since_its_document(client: redis.Redis, tmp_path: Path) -> None:
    """The journal has it: the ledger writes a document for every few decisions only."""
    async with parts(tmp_path, NO_REDIS) as engine:
        await engine.with_card()
        reader = open_reader(tmp_path / "ledger.sqlite")
        row = reader.head_record(ACCOUNT)
        assert row is not None
        assert row.state_seq < row.seq
        assert list(rebuild(reader, client, 10_000, time.monotonic, time.sleep))[-1] == Done(written=1)
        reader.close()
        copied = head_in(ACCOUNT, client.hmget(key_of_account(ACCOUNT), *FIELDS))
        assert copied == await engine.ledger.head(ACCOUNT)
        assert copied is not None
        assert copied.kept == row.state_seq


async def test_only_forward(client: redis.Redis) -> None:
    """A copy that is as new or newer stays as it is; one that is behind, or garbage, is replaced (law 4)."""
    for number, seq in enumerate((b"4", b"5", b"6", b"garbage")):
        client.hset(f"acct:{{acc{number:04}}}", mapping={"v": seq, "s": "kept", "h": "kept"})
    assert run(Heads(5), client) == Done(written=3, kept=2)
    kept = [number for number in range(5) if client.hget(f"acct:{{acc{number:04}}}", "s") == b"kept"]
    assert kept == [1, 2]
    assert run(Heads(5, seq=7), client) == Done(written=5)


SOUND = b'{"id":"acc0001","seq":5}'


@pytest.mark.parametrize(
    "damage",
    [
        None,
        HeadRecord(5, HASH, b"{", 5),
        HeadRecord(6, HASH, SOUND, 6),
        HeadRecord(5, b"", SOUND, 5),
        HeadRecord(5, HASH, SOUND.replace(b"0001", b"0002"), 5),
    ],
)
async def test_a_damaged_head_is_not_spread(client: redis.Redis, damage: HeadRecord | None) -> None:
    """It is named, and the others are written."""
    heads = Heads(3)
    heads.rows[AccountId("acc0001")] = damage  # type: ignore[assignment]
    assert run(heads, client) == Done(written=2, damaged=(AccountId("acc0001"),))
    assert not client.exists("acct:{acc0001}")


@pytest.mark.parametrize("per_second", [1, 30, 1000, 1_000_000])
async def test_the_rate_is_bounded(client: redis.Redis, per_second: int) -> None:
    """After every batch no more was written than the rate allows, but for the batch itself: a twentieth of a second's."""
    clock = Time()
    for done in itertools.islice(rebuild(Heads(100), client, per_second, clock, clock.sleep), 60):
        assert done.accounts <= (clock.now - 100.0) * per_second + max(1, per_second / 20) + 0.001


async def test_redis_goes_away(client: redis.Redis) -> None:
    steps = rebuild(Heads(100), client, 20, Time(), lambda _: None)
    next(steps)
    client.shutdown(nosave=True, now=True, force=True)
    with pytest.raises(StateDownError, match="Redis took no more after 1 accounts"):
        next(steps)
