"""The journal on a real SQLite file (WAL, synchronous=FULL) and on a real PostgreSQL (synchronous_commit=on, fsync), in one
run on one disk: from append to durable."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from postgres_server import PostgresServer

from authsvc.ledger.journal import Ledger
from authsvc.ledger.postgres import PostgresLedger
from authsvc.ledger.sqlite import SqliteLedger
from authsvc.model import Account, Decision, Head
from authsvc.rules.evolve import evolve
from bench.conftest import AT_ONCE, PerCall
from bench.world import first_of


@pytest.fixture
def ledger(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> Iterator[SqliteLedger]:
    made = SqliteLedger(tmp_path / "ledger.sqlite", evolve)
    loop.run_until_complete(made.open())
    yield made
    loop.run_until_complete(made.close())


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    made = PostgresServer().start()
    yield made
    made.close()


@pytest.fixture
def postgres(loop: asyncio.AbstractEventLoop, server: PostgresServer) -> Iterator[PostgresLedger]:
    made = PostgresLedger(server.database())
    loop.run_until_complete(made.open())
    yield made
    loop.run_until_complete(made.close())


def test_journal_append_alone(per_call: PerCall, loop: asyncio.AbstractEventLoop, ledger: SqliteLedger) -> None:
    """One decision on a purchase, one commit, one fsync. Budget: 400 µs (200 of them SQLite's)."""
    _measure(per_call, loop, ledger, 1)


def test_journal_append_in_a_batch(per_call: PerCall, loop: asyncio.AbstractEventLoop, ledger: SqliteLedger) -> None:
    """50 such decisions, each of its own account, in one commit. Budget: 60 µs a row (30 of them SQLite's)."""
    _measure(per_call, loop, ledger, AT_ONCE)


def test_postgres_append_alone(per_call: PerCall, loop: asyncio.AbstractEventLoop, postgres: PostgresLedger) -> None:
    """One decision, one statement, one fsync of the server. Budget: 900 µs"""
    _measure(per_call, loop, postgres, 1)


def test_postgres_append_in_a_batch(
    per_call: PerCall, loop: asyncio.AbstractEventLoop, postgres: PostgresLedger
) -> None:
    """50 such decisions in one statement. Budget: 150 µs a row (most of them the server's)."""
    _measure(per_call, loop, postgres, AT_ONCE)


def _measure(per_call: PerCall, loop: asyncio.AbstractEventLoop, ledger: Ledger, rows: int) -> None:
    numbers = count()

    def prepare() -> list[tuple[Head, Decision, Account]]:
        return [first_of(next(numbers)) for _ in range(rows)]

    async def append(made: list[tuple[Head, Decision, Account]]) -> None:
        await asyncio.gather(*(ledger.append(*each)[1] for each in made))

    per_call(lambda made: loop.run_until_complete(append(made)), rows, prepare)
