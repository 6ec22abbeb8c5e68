"""All tests run on the event loop that the engine runs on: its transports differ from the standard library's."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator

import pytest
import uvloop
from postgres_server import PostgresServer

from authsvc import native

if os.environ.get("AUTHSVC_TESTS") == "built" and not native.use():
    pytest.exit("AUTHSVC_TESTS=built: nothing is compiled of these sources", returncode=2)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server that runs; whoever stops it starts it again. Each test takes databases of its own."""
    server = PostgresServer()
    server.start()
    yield server
    server.close()
