"""The log (WAL) written back into the file, in two steps: most of it beside the commits, what has come meanwhile between two.

SQLite's own checkpoints run inside of a commit, and all at once: 40 to 100 ms in which nobody is answered. Only one that has
caught up with the last commit lets the log start over, so the second step cannot be beside them too; it is short.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from threading import Thread

import apsw

CHECKPOINT_PAGES = 1_000
"""4 MB of log begin it. With more, fewer pages are written back twice (16 MB: 5 µs less a decision), and the disk is busy with
it for longer: p99 at 1 800 a second was 20 to 30 ms with 4 MB, 38 with 16."""


class Checkpoints:
    """Of the ledger's file at `path`, for the one connection that writes. Called between its commits."""

    def __init__(self, path: Path, connection: apsw.Connection, pages: int = CHECKPOINT_PAGES) -> None:
        self._path = path
        self._connection = connection
        self._most = pages
        self._pages = 0
        self._beside: Thread | None = None
        self._error: BaseException | None = None
        connection.set_wal_hook(self._committed)

    def go_on(self) -> None:
        """Begin, or end what was begun. Raises what SQLite raises: the log holds everything then, and may not be let go of."""
        if self._beside is None:
            if self._pages >= self._most:
                self._beside = Thread(target=self._write_beside, name="checkpoint")
                self._beside.start()
        elif not self._beside.is_alive():
            self.wait()
            if self._error is not None:
                raise self._error
            _write_back(self._connection)

    def wait(self) -> None:
        """Until nothing is under way any more."""
        if self._beside is not None:
            self._beside.join()
            self._beside = None

    def _committed(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    def _write_beside(self) -> None:
        try:
            connection = apsw.Connection(str(self._path))
            try:
                connection.pragma("synchronous", "full")
                _write_back(connection)
            finally:
                connection.close()  # not the last: it writes nothing more
        except apsw.BusyError:
            pass  # somebody else's lock at the opening; the step between two commits does it all then
        except BaseException as error:  # noqa: BLE001 - raised in `go_on`, where somebody can act on it
            self._error = error


def _write_back(connection: apsw.Connection) -> None:
    with contextlib.suppress(apsw.BusyError):  # an operator's shell does the same
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
