"""Several workers: each a process with its own event loop, all on the same ports (SO_REUSEPORT) and the same ledger.

The parent decides nothing. It starts what there must be one of (the embedded Valkey), keeps the ports, starts the
workers, and ends them together: when it is told to stop, or when one of them ends by itself. A worker hears of the
parent's end by the end of its stdin, however the parent ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import msgspec
import uvloop
from msgspec import Struct
from msgspec.structs import replace

from authsvc import engine, logs
from authsvc.config import EMBEDDED, Config, ListenerConfig, RedisConfig, from_json, to_json
from authsvc.engine import Engine, naming
from authsvc.errors import AuthsvcError, ConfigError
from authsvc.seed import Seeded
from authsvc.state.embedded import EmbeddedValkey

log = logs.get_logger(__name__)

STOP_SECONDS = 30.0
"""More than a worker's drain takes; one that is not gone by then is killed."""


class Started(Struct, frozen=True, tag=True):
    """A worker serves. `ports`: by listener, and "control"."""

    ports: dict[str, int]
    seeded: list[Seeded]


class NotStarted(Struct, frozen=True, tag=True):
    problem: str


_reports: msgspec.json.Decoder[Started | NotStarted] = msgspec.json.Decoder(Started | NotStarted)
Announce = Callable[[Config, Sequence[Started]], None]


def started(running: Engine) -> Started:
    return Started(running.ports, running.seeded)


async def serve(config: Config, announce: Announce) -> int:
    """Run `config.workers` workers until SIGTERM or SIGINT; the exit code, 1 when one ended by itself. Raises
    ConfigError, and then nothing is left running."""
    if config.workers == 1:
        return await engine.serve(config, lambda running: announce(config, [started(running)]))
    asyncio.get_running_loop().set_exception_handler(logs.log_loop_exception)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    with _ports_kept(config) as kept:
        async with _valkey_of(kept) as shared:
            workers = _Workers(shared)
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, workers.reload)
            return await workers.run(stopping, announce)


@contextlib.contextmanager
def _ports_kept(config: Config) -> Iterator[Config]:
    """The settings with a port in place of each 0. All listeners' ports are ours while this lasts: bound, not listened
    on, so that the kernel deals links to the workers only."""
    with contextlib.ExitStack() as sockets:
        listeners = {}
        for name, listener in config.listeners.items():
            with naming(f"listeners.{name}.port", listener.host, listener.port):
                # First as one who does not share: else somebody else's workers would get half of the links.
                with _bound(listener, listener.port, shared=False) as probe:
                    port = int(probe.getsockname()[1])
                sockets.enter_context(_bound(listener, port, shared=True))
            listeners[name] = replace(listener, port=port)
        yield replace(config, listeners=listeners)


def _bound(listener: ListenerConfig, port: int, *, shared: bool) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in listener.host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((listener.host, port))
    except BaseException:
        made.close()
        raise
    return made


@contextlib.asynccontextmanager
async def _valkey_of(config: Config) -> AsyncIterator[Config]:
    """The settings with the address of the one embedded Valkey, if that is what they ask for."""
    if config.redis.url != EMBEDDED:
        yield config
        return
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"data_dir: {config.data_dir}: {error.strerror}") from error
    valkey = EmbeddedValkey(config.data_dir)
    await valkey.start()
    try:
        yield replace(config, redis=RedisConfig(url=valkey.url))
    finally:
        await valkey.stop()


class _Workers:
    """All of them, from the first start to the last end."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._processes: list[asyncio.subprocess.Process] = []

    async def run(self, stopping: asyncio.Event, announce: Announce) -> int:
        """One after the other: the first brings the schema up to date and seeds, the others find it done."""
        try:
            reports = [await self._start(worker) for worker in range(1, self._config.workers + 1)]
            announce(self._config, reports)
            ended = [asyncio.create_task(process.wait()) for process in self._processes]
            asked = asyncio.create_task(stopping.wait())
            await asyncio.wait([asked, *ended], return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            if not stopping.is_set():
                log.error("a worker ended; stopping", worker=_first_to_end(self._processes))
        finally:
            codes = await self._stop()
        return 0 if stopping.is_set() and not any(codes) else 1

    def reload(self) -> None:
        """What SIGHUP does: each worker reads the files anew, and takes or refuses them by the same rules."""
        for process in self._processes:
            if process.returncode is None:
                process.send_signal(signal.SIGHUP)

    async def _start(self, worker: int) -> Started:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "authsvc.workers", str(worker),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20,
        )  # fmt: skip
        self._processes.append(process)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(to_json(self._config) + b"\n")
        line = await process.stdout.readline()
        report = _reports.decode(line) if line else NotStarted(f"worker {worker} ended while it started")
        if isinstance(report, NotStarted):
            raise ConfigError(report.problem)
        return report

    async def _stop(self) -> list[int | None]:
        """Tell all, wait for all; the exit codes."""
        for process in self._processes:
            if process.returncode is None:
                process.terminate()
        waits = [asyncio.create_task(process.wait()) for process in self._processes]
        if waits:
            _, late = await asyncio.wait(waits, timeout=STOP_SECONDS)
            if late:
                log.error("workers did not stop", count=len(late))
                for process in self._processes:
                    if process.returncode is None:
                        process.kill()
                await asyncio.wait(waits)
        return [process.returncode for process in self._processes]


def _first_to_end(processes: Sequence[asyncio.subprocess.Process]) -> int:
    return next(number for number, process in enumerate(processes, 1) if process.returncode is not None)


def _work(worker: int) -> int:
    """The worker's process: settings come as a line on stdin, what became of the start goes as one to stdout."""
    config = from_json(sys.stdin.buffer.readline())
    logs.configure(config.log.level)
    try:
        return uvloop.run(engine.serve(config, _report_start, worker))
    except AuthsvcError as error:
        _say(NotStarted(str(error)))
        return 1


def _report_start(running: Engine) -> None:
    _say(started(running))
    asyncio.get_running_loop().add_reader(0, _parent_spoke, running)


def _parent_spoke(running: Engine) -> None:
    """It never does: this is the end of its pipe."""
    if not os.read(0, 1024):
        asyncio.get_running_loop().remove_reader(0)
        running.request_stop()


def _say(report: Started | NotStarted) -> None:
    os.write(1, msgspec.json.encode(report) + b"\n")


if __name__ == "__main__":
    sys.exit(_work(int(sys.argv[1])))
