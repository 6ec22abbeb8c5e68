"""The pages of the vault brought into memory, by a thread of its own, while the engine serves already.

Whose card it is, the event loop asks the file: 10 µs where its pages are in memory. Where the machine has just been started
they are not, and each question is a read of the disk or two in which nobody is answered: with a million cards, drawn evenly,
0.6 of the rate (decisions/0050).
"""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

import apsw

from authsvc.ledger.sqlite_file import open_reader_connection
from authsvc.logs import get_logger

MOST_CARDS = 4_000_000
"""Some 800 MB of pages. Who has more cards than that has the rest of them read when they are asked for."""
CARDS_AT_ONCE = 5_000
"""One read of the file: as long as it lasts, the log (WAL) does not start over."""
_ROWS = "SELECT sum(length(sealed_pan)) FROM vault NOT INDEXED WHERE rowid BETWEEN ? AND ?"
_LAST_ROW = "SELECT coalesce(max(rowid), 0) FROM vault"
_HASHES = """
SELECT max(pan_hash) FROM (SELECT pan_hash FROM vault WHERE pan_hash > ? ORDER BY pan_hash LIMIT ?)"""

log = get_logger(__name__)


class Warming:
    """Of the ledger's file at `path`; begins at once. Raises ConfigError when the file cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._connection = open_reader_connection(path)
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="vault-pages")
        self._thread.start()

    def wait(self) -> None:
        """Until all is in memory, or cannot be read."""
        self._thread.join()

    def stop(self) -> None:
        """Whatever is in memory by now."""
        self._stopping.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        try:
            self._read_index()
            self._read_table()
        except apsw.Error as error:  # whoever needs a page is told so when it asks for it
            log.warning("the vault could not be read beforehand", problem=type(error).__name__)

    def _read_index(self) -> None:
        """In order: a PAN hash leads from here to the row."""
        last: object = b""
        for _ in range(0, MOST_CARDS, CARDS_AT_ONCE):
            if last is None or self._stopping.is_set():
                return
            last = self._value(_HASHES, last, CARDS_AT_ONCE)

    def _read_table(self) -> None:
        rows = self._value(_LAST_ROW)
        assert isinstance(rows, int)
        for first in range(1, min(rows, MOST_CARDS) + 1, CARDS_AT_ONCE):
            if self._stopping.is_set():
                return
            self._value(_ROWS, first, first + CARDS_AT_ONCE - 1)

    def _value(self, query: str, *values: object) -> object:
        found = self._connection.execute(query, values).fetchone()
        return None if found is None else found[0]
