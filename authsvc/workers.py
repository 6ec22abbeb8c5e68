"""Several workers: each a process with its own event loop, all on the same ports (SO_REUSEPORT) and the same ledger.

The parent decides nothing. It starts what there must be one of (the embedded Valkey), keeps the sockets, starts the
workers, and ends them together: when it is told to stop, or when one of them ends by itself. Told to (SIGUSR2), it replaces
them one after the other: docs/decisions/0036-rolling-restart.md. A worker hears of the parent's end by the end of its stdin,
however the parent ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

import msgspec
import uvloop
from msgspec import Struct
from msgspec.structs import replace

from authsvc import engine, logs
from authsvc.config import EMBEDDED, Config, RedisConfig, control_of, from_json, to_json
from authsvc.control_server import bound_socket, naming
from authsvc.engine import Engine
from authsvc.errors import AuthsvcError, ConfigError, NotThereError
from authsvc.handover import Channel, Place, channel_pair
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
    """`away`: a server that settings name could not be reached."""

    problem: str
    away: bool


class Descriptors(Struct, frozen=True):
    """A worker's `Place`, as it is told to it. `before`: None for the first one in this place."""

    sockets: dict[str, int]
    heir: int
    before: int | None

    @property
    def all(self) -> tuple[int, ...]:
        return (*self.sockets.values(), self.heir, *(() if self.before is None else (self.before,)))

    def place(self) -> Place:
        """In the worker's process."""
        sockets = {name: socket.socket(fileno=number) for name, number in self.sockets.items()}
        before = None if self.before is None else Channel(socket.socket(fileno=self.before))
        return Place(sockets, Channel(socket.socket(fileno=self.heir)), before)


_reports: msgspec.json.Decoder[Started | NotStarted] = msgspec.json.Decoder(Started | NotStarted)
Announce = Callable[[Config, Sequence[Started]], None]


def started(running: Engine) -> Started:
    return Started(running.ports, running.seeded)


Sockets = Sequence[Mapping[str, socket.socket]]
"""Of each worker, by listener, and "control": bound, listened on by the worker alone."""


async def serve(config: Config, announce: Announce) -> int:
    """Run `config.workers` workers until SIGTERM or SIGINT; the exit code, 1 when one ended by itself. Raises
    ConfigError, and then nothing is left running."""
    if config.workers == 1:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, _nobody_to_take_over)
        return await engine.serve(config, lambda running: announce(config, [started(running)]))
    asyncio.get_running_loop().set_exception_handler(logs.log_loop_exception)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    with _ports_kept(config) as (kept, sockets):
        async with _valkey_of(kept) as shared:
            workers = _Workers(shared, sockets)
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, workers.reload)
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, workers.request_roll)
            return await workers.run(stopping, announce)


def _nobody_to_take_over() -> None:
    log.error("a rolling restart needs several workers")


@contextlib.contextmanager
def _ports_kept(config: Config) -> Iterator[tuple[Config, Sockets]]:
    """The settings with a port in place of each 0, and every worker's sockets. They are ours while this lasts, so a connection
    that waits to be accepted outlives the worker that did not accept it: its successor does."""
    with contextlib.ExitStack() as opened:
        sockets: list[dict[str, socket.socket]] = [{} for _ in range(config.workers)]
        listeners = {}
        for name, listener in config.listeners.items():
            with naming(f"listeners.{name}.port", listener.host, listener.port):
                # First as one who does not share: else somebody else's workers would get some of the links.
                with bound_socket(listener.host, listener.port) as probe:
                    port = int(probe.getsockname()[1])
                for own in sockets:
                    own[name] = opened.enter_context(bound_socket(listener.host, port, shared=True))
            listeners[name] = replace(listener, port=port)
        for worker, own in enumerate(sockets, 1):
            control = control_of(config, worker)
            with naming("control.port", control.host, control.port):
                own["control"] = opened.enter_context(bound_socket(control.host, control.port))
        yield replace(config, listeners=listeners), sockets


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

    def __init__(self, config: Config, sockets: Sockets) -> None:
        self._config = config
        self._sockets = sockets
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        """Those that serve, by number."""
        self._estates: dict[int, socket.socket] = {}
        """Whence the links of each of these come, for its successor."""
        self._alive: set[asyncio.subprocess.Process] = set()
        self._ended: int | None = None
        self._rolling: asyncio.Task[None] | None = None
        self._over = asyncio.Event()
        self._watching: set[asyncio.Task[None]] = set()

    async def run(self, stopping: asyncio.Event, announce: Announce) -> int:
        """One after the other: the first brings the schema up to date and seeds, the others find it done."""
        asked = asyncio.create_task(stopping.wait())
        try:
            reports = [await self._start(worker) for worker in range(1, self._config.workers + 1)]
            announce(self._config, reports)
            ended = asyncio.create_task(self._over.wait())
            await asyncio.wait([asked, ended], return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            if not stopping.is_set():
                log.error("a worker ended; stopping", worker=self._ended)
        finally:
            asked.cancel()
            codes = await self._stop()
        return 0 if stopping.is_set() and not any(codes) else 1

    def reload(self) -> None:
        """What SIGHUP does: each worker reads the files anew, and takes or refuses them by the same rules."""
        for process in self._processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGHUP)

    def request_roll(self) -> None:
        """What SIGUSR2 does; once at a time."""
        if self._rolling is None or self._rolling.done():
            self._rolling = asyncio.get_running_loop().create_task(self._roll())

    async def _roll(self) -> None:
        """Each worker gives way to one that has just started, from the files of the program as they are now. One that does not
        start changes nothing: the one before it goes on."""
        for worker, before in list(self._processes.items()):
            try:
                await self._start(worker)
            except AuthsvcError as error:
                log.error("worker not replaced, the one before goes on", worker=worker, problem=str(error))
                return
            before.send_signal(signal.SIGUSR1)
            try:
                await asyncio.wait_for(before.wait(), STOP_SECONDS)
            except TimeoutError:
                log.error("workers did not stop", count=1)
                before.kill()
            log.info("worker replaced", worker=worker, pid=self._processes[worker].pid)
        log.info("all workers replaced", count=len(self._processes))

    async def _start(self, worker: int) -> Started:
        """It serves in place of the one of its number from now on. Raises ConfigError."""
        heir, estate = channel_pair()
        with heir, contextlib.ExitStack() as failed:
            failed.enter_context(estate)
            process, report = await self._begin(worker, heir)
            if isinstance(report, NotStarted):
                await process.wait()
                self._alive.discard(process)
                raise (NotThereError if report.away else ConfigError)(report.problem)
            failed.pop_all()
        if before := self._estates.pop(worker, None):
            before.close()  # its successor has it
        self._estates[worker] = estate
        self._processes[worker] = process
        self._watching.add(asyncio.create_task(self._watch(worker, process)))
        return report

    async def _begin(self, worker: int, heir: socket.socket) -> tuple[asyncio.subprocess.Process, Started | NotStarted]:
        """A process, and what became of its start."""
        before = self._estates.get(worker)
        sockets = {name: bound.fileno() for name, bound in self._sockets[worker - 1].items()}
        place = Descriptors(sockets, heir.fileno(), None if before is None else before.fileno())
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "authsvc.native", "authsvc.workers", str(worker),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20, pass_fds=place.all,
        )  # fmt: skip
        self._alive.add(process)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(to_json(self._config) + b"\n" + msgspec.json.encode(place) + b"\n")
        line = await process.stdout.readline()
        return process, _reports.decode(line) if line else NotStarted(
            f"worker {worker} ended while it started", away=False
        )

    async def _watch(self, worker: int, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        self._alive.discard(process)
        if self._processes.get(worker) is process:  # nobody has taken its place
            self._ended = worker if self._ended is None else self._ended
            self._over.set()

    async def _stop(self) -> list[int | None]:
        """Tell all, wait for all; the exit codes."""
        if self._rolling is not None:
            self._rolling.cancel()
        for own in self._sockets:  # whoever connects from now on is to hear at once that nobody listens
            for bound in own.values():
                bound.close()
        processes = list(self._alive | set(self._processes.values()))
        for process in processes:
            if process.returncode is None:
                process.terminate()
        waits = [asyncio.create_task(process.wait()) for process in processes]
        if waits:
            _, late = await asyncio.wait(waits, timeout=STOP_SECONDS)
            if late:
                log.error("workers did not stop", count=len(late))
                for process in processes:
                    if process.returncode is None:
                        process.kill()
                await asyncio.wait(waits)
        return [process.returncode for process in processes]


def _work(worker: int) -> int:
    """The worker's process: settings and the numbers of its sockets come as lines on stdin, what became of the start goes as
    one to stdout."""
    config = from_json(sys.stdin.buffer.readline())
    place = msgspec.json.decode(sys.stdin.buffer.readline(), type=Descriptors).place()
    logs.configure(config.log.level)
    try:
        return uvloop.run(engine.serve(config, _report_start, worker, place))
    except AuthsvcError as error:
        _say(NotStarted(str(error), isinstance(error, NotThereError)))
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
