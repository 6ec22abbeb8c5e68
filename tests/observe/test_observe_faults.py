"""The slower faults, each done for real on one engine, each raising the alert that is for it: two workers on PostgreSQL, their
data on a small file system, their clock one that can be set. Rules look back twenty seconds instead of five minutes.

Where a file system cannot be mounted, or Debian's libfaketime cannot be had, the tests that need it are skipped, and say so.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
from postgres_server import PostgresServer
from test_observe_live import until

from loadtest.engine import ROOT, PrivateEngine, free_ports
from loadtest.observe.prometheus import Prometheus, PrometheusError, from_debian

ALERT_SECONDS = 45
MEGABYTE = 1 << 20
DISK_MEGABYTES = 64
EIGHT_DAYS = 8 * 86_400


class Faulty(NamedTuple):
    engine: PrivateEngine
    prometheus: Prometheus
    database: str
    disk: Path | None
    clock: Path | None

    def load(self, *words: str) -> subprocess.Popen[bytes]:
        """Some of it, begun."""
        api = f"http://127.0.0.1:{self.engine.api_port}"
        command = [sys.executable, "-m", "loadtest", "--iso", f"127.0.0.1:{self.engine.iso_port}", "--api", api]
        return subprocess.Popen([*command, "--every", "0", *words], cwd=ROOT, stdout=subprocess.DEVNULL)

    def until_firing(self, alert: str) -> None:
        until(lambda: alert in self.prometheus.firing(), ALERT_SECONDS, f"{alert} does not fire")


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    """A file system of its own; None where we may not mount one."""
    folder = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    yield folder if mounted else None
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path | None, dict[str, str]]:
    """A file whose text is how far the wall clock of a process is off, and the environment that makes it so."""
    file = tmp_path_factory.mktemp("clock") / "offset"
    file.write_text("+0")
    try:
        library = from_debian("libfaketime", "usr/lib/*/faketime/libfaketime.so.1")
    except PrometheusError:
        return None, {}
    wall_clock_only = {"DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    read_each_time = {"FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1"}
    return file, {"LD_PRELOAD": str(library), **read_each_time, **wall_clock_only}


@pytest.fixture(scope="module")
def faulty(
    prometheus: Path, postgres: PostgresServer, disk: Path | None, clock: tuple[Path | None, dict[str, str]]
) -> Iterator[Faulty]:
    """It has had a few messages, and nothing fires that is tested below. Its sweeper sleeps for a day."""
    assert prometheus.exists()
    database = postgres.database()
    settings = ["workers=2", f"ledger.url={database}", "sweep_seconds=86400"]
    settings += [f"data_dir={disk}/data"] if disk else []
    with (
        PrivateEngine("system", tuple(settings), clock[1]) as engine,
        Prometheus(f"127.0.0.1:{engine.api_port}", free_ports(1)[0], every=1, impatient=True, window="20s") as watching,
    ):
        made = Faulty(engine, watching, database, disk, clock[0])
        assert made.load("--accounts", "10", "--rate", "30", "--seconds", "2").wait(60) == 0
        until(lambda: bool(watching.query("authsvc_holds_open > 0")), ALERT_SECONDS, "no data")
        yield made


def is_quiet(faulty: Faulty, alert: str) -> bool:
    return alert not in faulty.prometheus.firing()


async def _hold_up(database: str, seconds: float) -> None:
    """What a backup, a checkpoint or a tired disk does: a commit now and then waits for most of a second."""
    connection = await asyncpg.connect(database)
    try:
        until_when = time.monotonic() + seconds
        while time.monotonic() < until_when:
            async with connection.transaction():
                await connection.execute("LOCK TABLE journal IN EXCLUSIVE MODE")
                await asyncio.sleep(0.6)
            await asyncio.sleep(0.1)
    finally:
        await connection.close()


def test_ledger_slow(faulty: Faulty) -> None:
    """Commits wait for the database."""
    load = faulty.load("--accounts", "10", "--rate", "20", "--seconds", "10")
    asyncio.run(_hold_up(faulty.database, 10))
    faulty.until_firing("AuthsvcLedgerSlow")
    assert load.wait(60) == 0


def test_conflicts(faulty: Faulty) -> None:
    """Both workers get the payments of one account."""
    assert is_quiet(faulty, "AuthsvcConflicts")
    load = faulty.load("--accounts", "1", "--closed", "32", "--links", "16", "--seconds", "20")
    faulty.until_firing("AuthsvcConflicts")
    load.terminate()
    load.wait(60)


def test_disk_filling_then_full(faulty: Faulty) -> None:
    """Something writes a megabyte every now and then, and at last there is hardly any room."""
    if faulty.disk is None:
        pytest.skip("NOT TESTED: no file system could be mounted (needs root)")
    assert is_quiet(faulty, "AuthsvcDiskFull")
    rubbish = faulty.disk / "rubbish"
    with rubbish.open("wb") as file:
        for _ in range(5):
            file.write(bytes(MEGABYTE))
            file.flush()
            time.sleep(0.6)
        faulty.until_firing("AuthsvcDiskFilling")
        assert is_quiet(faulty, "AuthsvcDiskFull")
        file.write(bytes((DISK_MEGABYTES - 10) * MEGABYTE))
    faulty.until_firing("AuthsvcDiskFull")
    rubbish.unlink()
    until(lambda: is_quiet(faulty, "AuthsvcDiskFull"), ALERT_SECONDS, "it does not go")


def test_clock_jump_and_a_late_sweeper(faulty: Faulty) -> None:
    """The wall clock goes eight days ahead: that is one alert. The holds that are over by then and that nobody ends are the
    other."""
    if faulty.clock is None:
        pytest.skip("NOT TESTED: Debian's libfaketime cannot be had")
    assert is_quiet(faulty, "AuthsvcClockJump")
    assert is_quiet(faulty, "AuthsvcSweeperLate")
    faulty.clock.write_text(f"+{EIGHT_DAYS}")
    faulty.until_firing("AuthsvcClockJump")
    faulty.until_firing("AuthsvcSweeperLate")
