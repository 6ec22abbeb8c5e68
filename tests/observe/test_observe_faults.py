"""The slower faults, each done for real on one engine, each raising the alert that is for it: two workers on PostgreSQL, their
data on a small file system, their clock one that can be set. Rules look back twenty seconds instead of five minutes.

Where a file system cannot be mounted, or Debian's libfaketime cannot be had, the tests that need it are skipped, and say so.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
import redis
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
    products: Path

    @property
    def data_dir(self) -> Path:
        return self.disk / "data" if self.disk else self.engine.data_dir

    def load(self, *words: str) -> subprocess.Popen[bytes]:
        """Some of it, begun."""
        api = f"http://127.0.0.1:{self.engine.api_port}"
        command = [sys.executable, "-m", "loadtest", "--iso", f"127.0.0.1:{self.engine.iso_port}", "--api", api]
        return subprocess.Popen([*command, "--every", "0", *words], cwd=ROOT, stdout=subprocess.DEVNULL)

    def until_firing(self, *alerts: str) -> None:
        """Each has fired once; they need not fire together."""
        missing = set(alerts)

        def have_fired() -> bool:
            missing.difference_update(self.prometheus.firing())
            return not missing

        until(have_fired, ALERT_SECONDS, f"of {alerts} some do not fire")


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
    prometheus: Path, postgres: PostgresServer, disk: Path | None, clock: tuple[Path | None, dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Faulty]:  # fmt: skip
    """It has had a few messages, and nothing fires that is tested below. Its sweeper sleeps for a day."""
    assert prometheus.exists()
    database = postgres.database()
    settings = ["workers=2", f"ledger.url={database}", "sweep_seconds=86400", "limits.in_flight=64"]
    products = shutil.copytree(ROOT / "config/products", tmp_path_factory.mktemp("files") / "products")
    settings += [f"products_dir={products}"]
    settings += [f"data_dir={disk}/data"] if disk else []
    with (
        PrivateEngine("system", tuple(settings), clock[1]) as engine,
        Prometheus(
            *(f"127.0.0.1:{engine.api_port + worker}" for worker in (0, 1)),
            port=free_ports(1)[0],
            every=1,
            impatient=True,
            window="20s",
        ) as watching,
    ):
        made = Faulty(engine, watching, database, disk, clock[0], products)
        assert made.load("--accounts", "10", "--rate", "30", "--seconds", "2").wait(60) == 0
        until(lambda: bool(watching.query("authsvc_holds_open > 0")), ALERT_SECONDS, "no data")
        yield made


def children(pid: int) -> list[int]:
    """The workers: the embedded Valkey is no Python."""
    found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [each for each in found if b"authsvc.workers" in Path(f"/proc/{each}/cmdline").read_bytes()]


def is_quiet(faulty: Faulty, alert: str) -> bool:
    return alert not in faulty.prometheus.firing()


@contextmanager
def tired(database: str) -> Iterator[None]:
    """What a backup, a checkpoint or a tired disk does: a commit now and then waits for most of a second."""
    over = threading.Event()
    holder = threading.Thread(target=lambda: asyncio.run(_hold_up(database, over)))
    holder.start()
    try:
        yield
    finally:
        over.set()
        holder.join()


async def _hold_up(database: str, over: threading.Event) -> None:
    connection = await asyncpg.connect(database)
    while not over.is_set():
        async with connection.transaction():
            await connection.execute("LOCK TABLE journal IN EXCLUSIVE MODE")
            await asyncio.sleep(0.6)
        await asyncio.sleep(0.1)
    await connection.close()


@contextmanager
def read_only(valkey: Path) -> Iterator[None]:
    """It answers, and takes no writes: as when its memory is full, or its replicas are gone."""
    with redis.Redis(unix_socket_path=str(valkey)) as client:
        client.config_set("min-replicas-to-write", 1)
        yield
        client.config_set("min-replicas-to-write", 0)


def test_too_much_and_then_slowly(faulty: Faulty) -> None:
    """More payments of one account than a worker takes at once, on both workers: saturated, and races are lost. Then Valkey
    takes no writes: the copy is behind. Then commits wait for the database: it is slow, and so is every answer."""
    assert faulty.prometheus.firing().isdisjoint({"AuthsvcSaturated", "AuthsvcConflicts", "AuthsvcRedisBehind"})
    load = faulty.load("--accounts", "1", "--closed", "8", "--links", "32", "--seconds", "120")
    faulty.until_firing("AuthsvcSaturated", "AuthsvcConflicts")
    with read_only(faulty.data_dir / "valkey/valkey.sock"):
        faulty.until_firing("AuthsvcRedisBehind")
    with tired(faulty.database):
        faulty.until_firing("AuthsvcLedgerSlow", "AuthsvcSlow")
    load.terminate()
    load.wait(60)


def test_workers_with_different_products(faulty: Faulty) -> None:
    """One of them has read a file that the other has not; once it has, too, the alert goes."""
    file = faulty.products / "prepaid-bps.toml"
    text = file.read_text()
    assert is_quiet(faulty, "AuthsvcProductsDiffer")
    file.write_text(text.replace("one_payment = 10_000", "one_payment = 9_000", 1))
    one, other = children(faulty.engine.pid)
    os.kill(one, signal.SIGHUP)
    faulty.until_firing("AuthsvcProductsDiffer")
    os.kill(other, signal.SIGHUP)
    until(lambda: is_quiet(faulty, "AuthsvcProductsDiffer"), ALERT_SECONDS, "it does not go")


def test_the_ledger_is_gone(faulty: Faulty, postgres: PostgresServer) -> None:
    """PostgreSQL ends in mid flow: nothing can be remembered, all is answered 91; when it is back, that is over."""
    quiet = {"AuthsvcLedgerDown", "AuthsvcUndecided"}  # the load before may have been too much for a slow machine
    until(lambda: faulty.prometheus.firing().isdisjoint(quiet), ALERT_SECONDS, "what was before does not go")
    until(lambda: bool(faulty.prometheus.query("max(authsvc_connections) == 0")), ALERT_SECONDS, "still load")
    load = faulty.load("--accounts", "10", "--rate", "40", "--seconds", "120")
    until(lambda: bool(faulty.prometheus.query("max(authsvc_connections) > 0")), ALERT_SECONDS, "no load")
    postgres.stop()
    try:
        faulty.until_firing("AuthsvcLedgerDown", "AuthsvcUndecided")
    finally:
        postgres.start()
        load.terminate()
        load.wait(60)
    until(lambda: is_quiet(faulty, "AuthsvcLedgerDown"), ALERT_SECONDS, "it does not go")


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
