"""A real engine as a process of its own: started, watched, stopped or killed. Nothing of authsvc is imported here."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

ROOT = Path(__file__).parents[2]
AUTHSVC = ROOT / ".venv/bin/authsvc"
START_SECONDS = 30
STOP_SECONDS = 20


_WORKER, _WORKERS = (
    int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]),
    int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")),
)
_PORTS = range(12_000 + _WORKER, 32_000, _WORKERS)
_in_no_order = iter(random.sample(_PORTS, len(_PORTS)))


def free_port() -> int:
    """A port nobody listens on, below those that the system gives to outgoing connections; never the same again, here or in
    another worker of the tests: between this and its use anybody might be given it."""
    for port in _in_no_order:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no free port")


class EngineProcess:
    """`authsvc serve` on `data_dir`, the simulated clock and two free ports; `overrides` as "KEY=VALUE".

    Its output goes to two files beside `data_dir`, because whatever it says is looked at too.
    """

    def __init__(self, data_dir: Path, *overrides: str, clock: str = "simulated") -> None:
        self.data_dir = data_dir
        self.port, self.control_port = free_port(), free_port()
        self.stdout, self.stderr = (data_dir.with_name(f"{data_dir.name}.{name}") for name in ("out", "err"))
        self._settings = (f"data_dir={data_dir}", f"clock={clock}", *self._ports(), *overrides)
        self._process: subprocess.Popen[bytes] | None = None

    def _ports(self) -> tuple[str, str]:
        return f"listeners.main.port={self.port}", f"control.port={self.control_port}"

    @property
    def url(self) -> str:
        is_tls = any(setting.startswith("control.tls.cert=") for setting in self._settings)
        return f"{'https' if is_tls else 'http'}://127.0.0.1:{self.control_port}"

    @property
    def settings(self) -> list[str]:
        """The same engine for another command: `--config FILE --set KEY=VALUE …`."""
        words = ["--config", "config/demo.toml"]
        for setting in self._settings:
            words += ["--set", setting]
        return words

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> EngineProcess:
        """Returns when `/readyz` says so."""
        with self.stdout.open("ab") as out, self.stderr.open("ab") as err:
            self._process = subprocess.Popen(
                [AUTHSVC, "serve", *self.settings], cwd=ROOT, stdout=out, stderr=err, start_new_session=True
            )
        until = time.monotonic() + START_SECONDS
        while not self.is_ready():
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < until, self.said()
            time.sleep(0.02)
        return self

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", trust_env=False, timeout=5, verify=False).status_code == 200
        except httpx.TransportError:
            return False

    def said(self) -> str:
        return self.stdout.read_text() + self.stderr.read_text()

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> int:
        """The exit code; a process that does not end is killed, and that is a failure."""
        assert self._process is not None
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def stop(self) -> None:
        """SIGTERM, and it must end well."""
        self.terminate()
        assert self.wait() == 0, self.said()

    def kill(self) -> None:
        """As a power cut would: the process and everything in its group."""
        assert self._process is not None
        os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def valkey(self) -> redis.Redis:
        """What an operator with redis-cli can do."""
        path = str(self.data_dir / "valkey" / "valkey.sock")
        return redis.Redis(unix_socket_path=path, retry=Retry(NoBackoff(), 0))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Another command of the same program."""
        return run(*words)


def run(*words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """`authsvc WORDS` from the project's root, to its end."""
    return subprocess.run(
        [AUTHSVC, *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, input=stdin
    )


def until(so: Callable[[], bool]) -> None:
    """Wait for it, 40 seconds at most."""
    for _ in range(20_000):
        if so():
            return
        time.sleep(0.002)
    raise AssertionError("it never came to that")
