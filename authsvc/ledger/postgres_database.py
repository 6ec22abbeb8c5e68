"""The database of the PostgreSQL ledger: how to connect, what it must promise, and at which version of the schema.

Every error is a ConfigError that names `ledger.url` and never shows the URL: it may hold a password.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import TypeAlias

import asyncpg

from authsvc.errors import ConfigError, NotThereError

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"  # a string: at run time the class takes no parameter

SCHEMA_VERSION = 7
CONNECT_SECONDS = 5.0
ROWS_A_TRANSACTION = 1024
"""Most decisions of one transaction. A position is the transaction's number times this, plus the place in it; so it
stays below 2^53, which JSON readers need, for the first 2^43 transactions of a cluster."""
NOT_NOW = frozenset({"57P01", "57P02", "57P03", "53300"})
"""Shuts down, has crashed, starts up; too many connections."""
MIGRATION_LOCK = 0x61757468  # "auth": one worker at a time brings the schema up to date
SESSION = {
    "application_name": "authsvc",
    "default_transaction_isolation": "read committed",
    "timezone": "UTC",
    "jit": "off",
    # One plan for each statement, made once, with nothing known of its arrays; and it must be the one that looks every
    # row up by its index, also when it was made on the empty tables of the first minute.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_mergejoin": "off",
    "random_page_cost": "0.1",
}

_TABLE = re.compile(
    r"CREATE TABLE (?P<name>\w+) \((?:.*?)\n\) /\* by (?P<column>\w+) \*/(?P<storage>[^;]*);", re.DOTALL
)
_DURABILITY = """
SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('server_encoding') AS encoding, current_setting('transaction_read_only') AS read_only"""
# A setting of the session stays when an operator changes the server's: what was checked is what will hold.
_PIN = "SELECT set_config('synchronous_commit', current_setting('synchronous_commit'), false)"
MAKE_VERSION = """
CREATE TABLE IF NOT EXISTS ledger_schema (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version       integer NOT NULL,
    partitions    integer NOT NULL,
    position_base bigint  NOT NULL
)"""
# The numbers of transactions begin anew in a cluster that was filled from a dump; positions must go on above the old.
# Beside a worker that writes, this changes nothing: what it has written is of transactions below the next one.
_RAISE_BASE = f"""
UPDATE ledger_schema SET position_base = top.position + 1 - next.number * {ROWS_A_TRANSACTION}
FROM (SELECT max(position) AS position FROM journal) AS top,
     (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS number) AS next
WHERE top.position >= ledger_schema.position_base + next.number * {ROWS_A_TRANSACTION}"""


FAULTS = (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What the driver raises. ValueError: a URL that is none."""


async def connect(url: str) -> Connection:
    """A connection on which a commit that was acknowledged is on the disk. Raises ConfigError, NotThereError where a later
    attempt may succeed."""
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings=SESSION)
    except FAULTS as error:
        kind = NotThereError if _may_come(error) else ConfigError
        raise kind(f"ledger.url: cannot connect to PostgreSQL: {problem(error)}") from None
    try:
        await _check(connection)
    except BaseException as error:
        connection.terminate()
        if isinstance(error, FAULTS):
            raise ConfigError(f"ledger.url: PostgreSQL does not answer: {problem(error)}") from None
        raise
    return connection


def _may_come(error: BaseException) -> bool:
    """Nobody listens (yet), no answer, or a server that starts, stops or is full; not: a name or a password that is wrong."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate) in NOT_NOW
    # Of several addresses of one name asyncpg tells by a bare OSError that none could be reached.
    return isinstance(error, ConnectionError | TimeoutError | FileNotFoundError) or type(error) is OSError


def problem(error: BaseException) -> str:
    """What went wrong, in the server's words or by its type; never the URL and never a row."""
    if isinstance(error, asyncpg.PostgresError):
        return f"{error.sqlstate} {error.as_dict().get('message', '')}".strip()
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


async def _check(connection: Connection) -> None:
    found = await connection.fetchrow(_DURABILITY)
    assert found is not None
    for setting in ("fsync", "synchronous_commit"):
        if found[setting] == "off":
            raise ConfigError(
                f"ledger.url: {setting} is off on this server, role or database: an answered decision could be lost"
            )
    if found["encoding"] != "UTF8":
        raise ConfigError(f"ledger.url: the database has encoding {found['encoding']}, the ledger needs UTF8")
    if found["read_only"] == "on":
        raise ConfigError("ledger.url: the server takes no writes: a standby, or default_transaction_read_only")
    await connection.execute(_PIN)


async def version(connection: Connection) -> int:
    """Of the schema that is there; 0: none."""
    if await connection.fetchval("SELECT to_regclass('ledger_schema')") is None:
        return 0
    return int(await connection.fetchval("SELECT coalesce(max(version), 0) FROM ledger_schema"))


async def check_version(connection: Connection) -> None:
    """For those who only read. Raises ConfigError unless the schema is this program's."""
    found = await version(connection)
    if found != SCHEMA_VERSION:
        raise ConfigError(f"ledger.url: is a ledger of schema {found}, this program reads {SCHEMA_VERSION}")


async def migrate(connection: Connection, partitions: int = 0) -> None:
    """Bring the schema forward to `SCHEMA_VERSION`, all of it or nothing. Raises ConfigError for a newer one.

    `partitions`: into how many each table is divided by hash, 0 not at all; counts when the schema is made, and stays.
    """
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)
            await _forward(connection, partitions)
            await connection.execute(_RAISE_BASE)
    except asyncpg.PostgresError as error:
        raise ConfigError(f"ledger.url: the schema cannot be brought up to date: {problem(error)}") from None


async def _forward(connection: Connection, partitions: int) -> None:
    found = await version(connection)
    if found > SCHEMA_VERSION:
        raise ConfigError(
            f"ledger.url: was written by a newer authsvc (schema {found}, this one knows {SCHEMA_VERSION})"
        )
    if found == 0:
        await connection.execute(MAKE_VERSION)
        await connection.execute("INSERT INTO ledger_schema VALUES (true, 0, $1, 0)", partitions)
    kept = await connection.fetchval("SELECT partitions FROM ledger_schema")
    for number in range(found + 1, SCHEMA_VERSION + 1):
        await connection.execute(schema_of(number, kept))
        await connection.execute("UPDATE ledger_schema SET version = $1", number)


def schema_of(number: int, partitions: int) -> str:
    """The statements that lead to schema `number`: its file, its tables divided when `partitions` is not 0."""
    text = (resources.files("authsvc.ledger") / "postgres_schema" / f"{number:04}.sql").read_text(encoding="utf-8")
    return _TABLE.sub(lambda table: _divided(table, partitions), text) if partitions else text


def _divided(table: re.Match[str], partitions: int) -> str:
    name, column, storage = table["name"], table["column"], table["storage"]
    whole = table[0].replace(f"/* by {column} */{storage};", f"PARTITION BY HASH ({column});")
    parts = (
        f"CREATE TABLE {name}_{part} PARTITION OF {name} FOR VALUES WITH (MODULUS {partitions}, REMAINDER {part}){storage};"
        for part in range(partitions)
    )
    return "\n".join((whole, *parts))
