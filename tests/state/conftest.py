"""A real Valkey for each test, on the event loop the engine runs on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import redis
import uvloop

from authsvc.state.connection import RedisConnection
from authsvc.state.embedded import EmbeddedValkey


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    server = EmbeddedValkey(tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def connection(valkey: EmbeddedValkey) -> AsyncIterator[RedisConnection]:
    link = RedisConnection(valkey.url, timeout_ms=300)  # more than the engine's 50: the machine is shared
    await link.start()
    yield link
    await link.close()


@pytest.fixture
def admin(valkey: EmbeddedValkey) -> Iterator[redis.Redis]:
    """What an operator with redis-cli can do."""
    with redis.Redis(unix_socket_path=str(valkey.socket_path), decode_responses=True) as client:
        yield client
