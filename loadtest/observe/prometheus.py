"""A real Prometheus on loopback with the committed rules, its data in a folder of its own, gone at the end.

The program is Debian's package: from PATH, else unpacked in the user's cache by apt-get and dpkg, without root.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

CONFIG = Path(__file__).parents[2] / "config/prometheus"
TARGET = "127.0.0.1:8580"
START_SECONDS = 30.0
STOP_SECONDS = 20.0
FETCH_SECONDS = 300.0


class PrometheusError(Exception):
    """It cannot be had, did not start, or did not take a query; the message says what it said."""


def program(name: str) -> Path:
    """`prometheus` or `promtool`. Raises PrometheusError when neither PATH, nor the cache, nor Debian's mirror has it."""
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    return from_debian("prometheus", f"usr/bin/{name}")


def from_debian(package: str, pattern: str) -> Path:
    """A file of a Debian package, which is kept unpacked in the user's cache. Raises PrometheusError."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "authsvc" / package
    if not list(folder.glob(pattern)):
        _fetch(package, folder)
    found = next(iter(folder.glob(pattern)), None)
    if found is None:
        raise PrometheusError(
            f"{pattern}: not here, and Debian's package {package} could not be unpacked into {folder}"
        )
    return found


def _fetch(name: str, folder: Path) -> None:
    """apt checks the package's signature and needs no root to download; dpkg none to unpack."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for command in (["apt-get", "download", name], ["dpkg", "-x", "PACKAGE", "."]):
            package = [str(path) for path in folder.glob(f"{name}_*.deb")]
            words = [package[0] if word == "PACKAGE" else word for word in command]
            subprocess.run(words, cwd=folder, check=True, capture_output=True, timeout=FETCH_SECONDS)
    except (OSError, IndexError, subprocess.SubprocessError) as error:
        raise PrometheusError(f"{name}: not here, and apt-get download failed: {error}") from error


class Prometheus:
    """A context manager. `targets`: HOST:PORT of the control API of each worker; `port`: its own; `every`: seconds between
    scrapes and between evaluations; `impatient`: alerts fire at once, whatever their `for` says; `window`: in place of five
    minutes wherever a rule looks back so far, as "20s"."""

    def __init__(self, *targets: str, port: int, every: int = 5, impatient: bool = False, window: str = "5m") -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._settings = ('", "'.join(targets), every, impatient, window)
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Prometheus:
        """Raises PrometheusError; then nothing is left behind."""
        binary = program("prometheus")
        self._folder = tempfile.TemporaryDirectory(prefix="authsvc-prometheus-")
        folder = Path(self._folder.name)
        self._write_config(folder)
        command = [
            str(binary), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{self._port}", "--log.level=warn",
        ]  # fmt: skip
        try:
            with (folder / "log").open("wb") as log:
                self._process = subprocess.Popen(command, stdout=log, stderr=log)
            self._wait(self._process, folder / "log")
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

    def _write_config(self, folder: Path) -> None:
        targets, every, impatient, window = self._settings
        for file in CONFIG.glob("*.yml"):
            text = file.read_text("utf-8").replace(TARGET, targets)
            text = re.sub(r"_interval: \d+s", f"_interval: {every}s", text)
            text = text.replace("[5m]", f"[{window}]")
            if impatient:
                text = re.sub(r" for: \d+[sm]", " for: 0s", text)
            (folder / file.name).write_text(text, "utf-8")

    def _wait(self, process: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise PrometheusError(f"prometheus did not start: {log.read_text('utf-8', 'replace')[-800:]}")
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", trust_env=False).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that the expression has right now. Raises PrometheusError when it is wrong."""
        found = self._get("query", query=expression)["result"]
        assert isinstance(found, list)
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Every recording and alert rule, as `type`, `name`, `query`, `health`, `state`, …"""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        return {alert["labels"]["alertname"] for alert in self._get("alerts")["alerts"] if alert["state"] == "firing"}

    def _get(self, what: str, **parameters: str) -> dict[str, Any]:
        answer = httpx.get(f"{self.url}/api/v1/{what}", params=parameters, trust_env=False, timeout=30.0).json()
        if answer["status"] != "success":
            raise PrometheusError(f"{parameters}: {answer.get('error')}")
        data = answer["data"]
        assert isinstance(data, dict)
        return data
