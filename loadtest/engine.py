"""An engine of our own: `authsvc serve` as a process on free ports, its data in a temporary folder, gone at the end.

It is started and stopped as any operator would do it; nothing of it is imported.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from loadtest.api import Api

ROOT = Path(__file__).parents[1]
START_SECONDS = 40.0
STOP_SECONDS = 20.0
DEMO_TOKEN = "demo-operator"
HOST = "127.0.0.1"


class EngineError(Exception):
    """It did not start; the message has the end of what it said."""


class PrivateEngine:
    """A context manager. `clock`: "simulated" or "system"; `settings`: more "KEY=VALUE" for `--set`; `environment`: put over
    ours; `cards`: a file for `authsvc account import FILE --pins`, taken into its ledger before it starts."""

    def __init__(
        self, clock: str = "simulated", settings: tuple[str, ...] = (), environment: Mapping[str, str] | None = None,
        cards: Path | None = None,
    ) -> None:  # fmt: skip
        self._environment = {**os.environ, **(environment or {})}
        self._clock = clock
        self._cards = cards
        self._settings = settings
        self._workers = next(
            (int(each.removeprefix("workers=")) for each in settings if each.startswith("workers=")), 1
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PrivateEngine:
        """Raises EngineError; then nothing is left behind."""
        self._folder = tempfile.TemporaryDirectory(prefix="authsvc-")
        self.data_dir = Path(self._folder.name)
        self.iso_port, self.api_port = free_ports(1)[0], free_row(self._workers)
        self.api = Api(f"http://{HOST}:{self.api_port}", DEMO_TOKEN)
        self._log = self.data_dir / "engine.log"
        ours = (
            f"data_dir={self.data_dir}", f"clock={self._clock}", "seed_demo=false",
            f"listeners.main.port={self.iso_port}", f"control.port={self.api_port}", *self._settings,
        )  # fmt: skip
        program, options = str(Path(sys.executable).with_name("authsvc")), ["--config", "config/demo.toml"]
        for setting in ours:
            options += ["--set", setting]
        try:
            with self._log.open("wb") as log:
                if self._cards is not None:
                    self._import(self._cards, program, options)
                command = [program, "serve", *options]
                self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=self._environment)
            self._wait(self._process)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def valkey_pid(self) -> int:
        """Of its embedded Valkey."""
        return int((self.data_dir / "valkey" / "valkey.pid").read_text())

    def _import(self, cards: Path, program: str, options: list[str]) -> None:
        command = [program, "account", "import", str(cards), "--pins", *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=self._environment, check=False)
        if done.returncode:
            raise EngineError(f"the cards were not imported: {done.stderr[-800:]}")

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.api.ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise EngineError(f"the engine did not start: {self._log.read_text('utf-8', 'replace')[-800:]}")
            time.sleep(0.05)


def free_row(count: int) -> int:
    """The first of so many ports in a row that nobody has at this moment, below those that the system gives to outgoing
    connections. Raises EngineError."""
    for first in random.sample(range(12_000, 32_000), 100):
        try:
            with contextlib.ExitStack() as probes:
                for port in range(first, first + count):
                    probes.enter_context(socket.socket()).bind((HOST, port))
            return first
        except OSError:
            continue
    raise EngineError(f"no {count} free ports in a row")


def free_ports(count: int) -> tuple[int, ...]:
    """Ports nobody listens on at this moment, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return tuple(int(each.getsockname()[1]) for each in sockets)
    finally:
        for each in sockets:
            each.close()
