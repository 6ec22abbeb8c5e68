"""The account document, and the way to Redis and back: a real Valkey on a unix socket, 50 calls under way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from authsvc.model.documents import account_of, document_of
from authsvc.state.connection import RedisConnection
from authsvc.state.embedded import EmbeddedValkey
from bench.conftest import AT_ONCE, PerCall
from bench.world import world

KEY = "acct:{bench}"


@pytest.fixture
def connection(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> Iterator[RedisConnection]:
    valkey = EmbeddedValkey(tmp_path)
    loop.run_until_complete(valkey.start())
    made = RedisConnection(valkey.url, timeout_ms=2_000)  # the machine may be busy; the engine's own is 50
    loop.run_until_complete(made.start())
    yield made
    loop.run_until_complete(made.close())
    loop.run_until_complete(valkey.stop())


def test_state_encode(benchmark: Any) -> None:
    """An account with ten holds to JSON. Budget: 15 µs"""
    assert benchmark(document_of, world().account)


def test_state_decode(benchmark: Any) -> None:
    """The same back. Budget: 25 µs"""
    encoded = document_of(world().account)
    assert benchmark(account_of, encoded) == world().account


def test_decision_encode(benchmark: Any) -> None:
    """A decision with its whole trace to JSON, as the journal keeps it. Budget: 10 µs"""
    assert benchmark(msgspec.json.Encoder().encode, world().decision)


def test_redis_round_trip(per_call: PerCall, loop: asyncio.AbstractEventLoop, connection: RedisConnection) -> None:
    """HMGET of an account's three fields, 50 under way: our time and Valkey's. Budget: 20 µs each."""
    state = document_of(world().account)
    loop.run_until_complete(connection.call("HSET", KEY, "v", 1, "s", state, "h", "0" * 64))

    async def ask() -> None:
        replies = await asyncio.gather(*(connection.call("HMGET", KEY, "v", "s", "h", "k") for _ in range(AT_ONCE)))
        assert replies[0][1] == state

    per_call(lambda: loop.run_until_complete(ask()), AT_ONCE)
