"""Whose card it is: no question about it waits for the disk, once the vault has been read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import apsw
import pytest

from authsvc.ledger import sqlite_warming
from authsvc.ledger.sqlite_file import create, open_reader_connection, open_writer
from authsvc.ledger.sqlite_reader import open_reader
from authsvc.ledger.sqlite_warming import Warming
from authsvc.ledger.sqlite_writer import INSERT_VAULT

CARDS = 30_000


def pan_hash(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with cards; table and indexes apart, so that what is read of one brings nothing of the other along."""
    path = tmp_path_factory.mktemp("vault") / "ledger.sqlite"
    create(path)
    connection = open_writer(path)
    with connection:
        connection.executemany(
            INSERT_VAULT, ((pan_hash(n), f"acc-{n:020}", f"card-{n:020}", "0000", bytes(44)) for n in range(CARDS))
        )
    connection.execute("VACUUM")
    connection.close()
    return path


@pytest.fixture
def path(ledger: Path) -> Path:
    """None of it in memory."""
    forget_pages(ledger)
    return ledger


def forget_pages(path: Path) -> None:
    """As after the start of the machine."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def read_from_disk() -> int:
    """Bytes that this process has had read from disks."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("read_bytes:")).split()[1])


def asked_for(path: Path) -> int:
    """Bytes from the disk for a question about each card."""
    reader, before = open_reader(path), read_from_disk()
    assert all(reader.vault_by_hash(pan_hash(n)) for n in range(0, CARDS, 7))
    reader.close()
    return read_from_disk() - before


def test_no_question_waits_for_the_disk_afterwards(path: Path) -> None:
    """Table and index."""
    without = asked_for(path)
    if not without:
        pytest.skip("files are in memory here, whatever is forgotten")
    assert without > CARDS * 100  # nearly all there is
    forget_pages(path)
    warming = Warming(path)
    warming.wait()
    assert asked_for(path) < without / 50
    warming.stop()


def test_the_index_is_read_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself: where the file is large, what is read of the table brings nothing of it along."""
    without = asked_for(path)
    if not without:
        pytest.skip("files are in memory here, whatever is forgotten")
    forget_pages(path)
    monkeypatch.setattr(Warming, "_read_table", lambda _self: None)
    warming = Warming(path)
    warming.wait()
    assert asked_for(path) < without * 0.9
    warming.stop()


def test_it_ends_when_it_is_told_to(path: Path) -> None:
    """However much there is: an engine that stops does not wait for it."""
    asked: list[str] = []

    class Stopped(Warming):
        def _value(self, query: str, *values: object) -> object:
            asked.append(query)
            self._stopping.set()
            return super()._value(query, *values)

    warming = Stopped(path)
    warming.wait()
    warming.stop()
    assert len(asked) == 2  # one look into the index, one for how long the table is
    with pytest.raises(apsw.ConnectionClosedError):
        warming._connection.execute("SELECT 1")


def test_it_reads_a_part_at_a_time(path: Path) -> None:
    """Between two reads the log (WAL) can start over: nobody holds on to it."""
    writer = open_writer(path)
    starts_over: list[tuple[int, int]] = []

    class Watched(Warming):
        def _value(self, query: str, *values: object) -> object:
            found = super()._value(query, *values)
            writer.execute("UPDATE vault SET last4 = '1111' WHERE rowid = 1")
            starts_over.append(writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE))
            return found

    warming = Watched(path)
    warming.wait()
    warming.stop()
    writer.close()
    parts = CARDS // sqlite_warming.CARDS_AT_ONCE
    assert parts > 1
    assert starts_over == [(0, 0)] * (parts + 1 + 1 + parts)  # the index and its end; how long the table is; the table


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def warning(self, event: str, *, problem: str) -> None:
        self.lines.append((event, problem))


def test_an_empty_vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to read, and that is no fault."""
    log = Log()
    monkeypatch.setattr(sqlite_warming, "log", log)
    create(tmp_path / "ledger.sqlite")
    open_writer(tmp_path / "ledger.sqlite").close()
    warming = Warming(tmp_path / "ledger.sqlite")
    warming.wait()
    warming.stop()
    assert not log.lines


def test_a_vault_that_cannot_be_read_is_told_and_stops_nobody(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for a card is told then."""

    def without_vault(file: Path) -> apsw.Connection:
        connection = open_reader_connection(file)
        connection.execute("CREATE TEMP TABLE vault (other INTEGER)")
        return connection

    log = Log()
    monkeypatch.setattr(sqlite_warming, "log", log)
    monkeypatch.setattr(sqlite_warming, "open_reader_connection", without_vault)
    warming = Warming(path)
    warming.wait()
    warming.stop()
    assert log.lines == [("the vault could not be read beforehand", "SQLError")]
