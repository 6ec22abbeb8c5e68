"""All tests run on the event loop that the engine runs on: its transports differ from the standard library's."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator

import pytest
import uvloop
from hypothesis import settings
from postgres_server import PostgresServer

from authsvc import native

if os.environ.get("AUTHSVC_TESTS") == "built" and not native.use():
    pytest.exit("AUTHSVC_TESTS=built: nothing is compiled of these sources", returncode=2)

# Nothing fails for having been slow: the machine is shared, and 0.2 s for an example were too few once in a run of all.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is compiled calls itself, whatever a test has put in the place of one of its functions or classes."""
    for item in items:
        if native.in_use() and item.get_closest_marker("source"):
            item.add_marker(
                pytest.mark.skip(reason="on the sources only: it puts something in the place of what is compiled")
            )


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server that runs; whoever stops it starts it again. Each test takes databases of its own."""
    server = PostgresServer()
    server.start()
    yield server
    server.close()
