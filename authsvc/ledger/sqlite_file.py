"""The file of the embedded ledger: who may open it, how, and at which version of the schema."""

from __future__ import annotations

import fcntl
import os
import time
from importlib import resources
from pathlib import Path

import apsw

from authsvc.errors import ConfigError

SCHEMA_VERSION = 10
LOCK_SECONDS = 3.0
"""How long a start waits for the end of the writer of an engine that was killed."""
BUSY_MS = 5_000
"""Nobody else may write; a shell that an operator left open for a moment should still not stop the engine."""


def lock(data_dir: Path) -> int:
    """Take `data_dir` for this engine alone, and return the descriptor that holds the lock; the engine's writer holds it too.

    The kernel lets go when both have ended, however they ended. Waits a little: the writer of an engine that was killed
    finishes its commit. Raises ConfigError.
    """
    descriptor = os.open(data_dir / "ledger.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() < until:
                time.sleep(0.02)
                continue
            os.close(descriptor)
            raise ConfigError(f"data_dir: another engine uses this data_dir ({data_dir})") from error
        return descriptor


def create(path: Path) -> None:
    """Make the directory and an empty file that only we may read, and make their names durable.

    SQLite syncs the directory of its WAL, not the parents of that directory.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)  # the WAL and its index inherit these permissions
    for directory in (path.parent, path.parent.parent):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def open_writer(path: Path) -> apsw.Connection:
    """The one connection that writes; brings the schema up to `SCHEMA_VERSION`. Raises ConfigError."""
    try:
        connection = apsw.Connection(str(path))
        _tune_writer(connection)
        _upgrade(connection, path)
    except apsw.Error as error:
        raise ConfigError(f"{path}: {error}") from error
    return connection


def open_reader_connection(path: Path) -> apsw.Connection:
    """A connection that cannot write; good beside a running engine, and after a killed one. Raises ConfigError."""
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(BUSY_MS)
        # No plan depends on a value: else a value beside a partial index has the statement prepared anew each time, 7 of 12 us.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        version = _version(connection)
    except apsw.Error as error:
        raise ConfigError(f"{path}: {error}") from error
    if version != SCHEMA_VERSION:
        raise ConfigError(f"{path}: is a ledger of schema {version}, this program reads {SCHEMA_VERSION}")
    return connection


def _tune_writer(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(BUSY_MS)
    mode = connection.pragma("journal_mode", "wal")
    if mode != "wal":
        raise ConfigError(f"the file system of data_dir cannot do SQLite's WAL (journal_mode is {mode})")
    connection.pragma("synchronous", "full")  # fsync of the WAL in every commit: law 5
    # 16 MB: by reckoning, the inner pages of all indexes of 10 million decisions.
    connection.pragma("cache_size", -16_384)
    # No mmap: through it an I/O error is a SIGBUS that kills without a word; read() gives an error code to act on.
    connection.pragma("mmap_size", 0)


def _version(connection: apsw.Connection) -> int:
    version = connection.pragma("user_version")
    assert isinstance(version, int)
    return version


def _upgrade(connection: apsw.Connection, path: Path) -> None:
    """Apply the schema files above the version of the file, each with its version in one transaction."""
    found = _version(connection)
    if found > SCHEMA_VERSION:
        raise ConfigError(f"{path}: was written by a newer authsvc (schema {found}, this one knows {SCHEMA_VERSION})")
    schema = resources.files("authsvc.ledger") / "schema"
    for version in range(found + 1, SCHEMA_VERSION + 1):
        with connection:
            connection.execute((schema / f"{version:04}.sql").read_text(encoding="utf-8"))
            connection.pragma("user_version", version)
