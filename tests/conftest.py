"""All tests run on the event loop that the engine runs on: its transports differ from the standard library's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
import uvloop
from postgres_server import PostgresServer


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server that runs; whoever stops it starts it again. Each test takes databases of its own."""
    server = PostgresServer()
    server.start()
    yield server
    server.close()
