"""One connection to Redis, shared by every message under way: many commands go out in one write, replies come in order.

No command waits for a connection and none waits longer than the timeout: StateDownError instead, and the caller reads
the journal. redis-py costs 14 to 36 µs of CPU a command; this, about 2.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, cast

import hiredis

from authsvc.config import RedisAddress, redis_address
from authsvc.errors import StateDownError
from authsvc.logs import get_logger

Word: TypeAlias = str | bytes | int
Reply: TypeAlias = Any
"""bytes, int, None, a list of these; or a `hiredis.ReplyError`, as a value: the caller knows what it means."""
OnReply: TypeAlias = Callable[["Reply | StateDownError"], None]

CONNECT_SECONDS = 1.0
BACKOFF_FIRST_SECONDS = 0.02
BACKOFF_MOST_SECONDS = 1.0
SWEEPS_PER_TIMEOUT = 8
PART_BYTES = 128 * 1024
"""Of commands that do not wait for the end of the turn: Redis takes them while we go on; a socket has room for some 200 kB."""

log = get_logger(__name__)
_pack = cast("Callable[[tuple[Word, ...]], bytes]", hiredis.pack_command)


class _Link(asyncio.Protocol):
    """One TCP or unix connection, from made to lost. Replies answer the oldest command that has none yet."""

    def __init__(self, lost: Callable[[_Link], None], timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._lost = lost
        self._interval = timeout / SWEEPS_PER_TIMEOUT
        self._late = timeout - 2 * self._interval
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[float, OnReply]] = deque()
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._sweep: asyncio.TimerHandle | None = None
        self._suspect: OnReply | None = None

    def send(self, words: tuple[Word, ...], on_reply: OnReply) -> None:
        """Queue a command; what was queued in one turn of the event loop leaves in one write at its end, but for long ones."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        packed = _pack(words)
        self._outgoing.append(packed)
        self._outgoing_bytes += len(packed)
        if self._outgoing_bytes >= PART_BYTES:
            self._flush()
        self._waiting.append((self._loop.time(), on_reply))
        if self._sweep is None:
            self._sweep = self._loop.call_later(self._interval, self._look_for_late)

    def _flush(self) -> None:
        # A peer that does not read cannot make this grow for long: after the timeout the link is dropped.
        if self._transport is not None and self._outgoing:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()
        self._outgoing_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        reader, waiting = self._reader, self._waiting
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                _deliver(waiting.popleft()[1], reply)
        except (hiredis.ProtocolError, IndexError):  # not Redis, or a reply nobody asked for: out of step for good
            log.warning("redis link out of step")
            self.drop()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._end()

    def drop(self) -> None:
        """Close at once; whoever waits gets StateDownError now."""
        if self._transport is not None:
            self._transport.abort()
        self._end()

    def _end(self) -> None:
        """Say that the link is lost first, so that nobody sends on it again, then fail whoever waits."""
        self._transport = None
        self._lost(self)
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        self._outgoing.clear()
        error = StateDownError("Redis is late or gone")
        while self._waiting:
            _deliver(self._waiting.popleft()[1], error)

    def _look_for_late(self) -> None:
        """Drop the link when its oldest command is late in two looks in a row.

        Two, because libuv runs timers before it reads: after a long turn of ours, the reply may be in the socket. One
        timer for all commands, not one each. Seen late first at most one interval after `_late`, dropped one after.
        """
        self._sweep = None
        if not self._waiting:
            self._suspect = None
            return
        since, oldest = self._waiting[0]
        late = self._loop.time() - since >= self._late
        if late and self._suspect is oldest:  # not the pair: compiled, a tuple has no identity
            log.warning("redis is late", count=len(self._waiting))
            self.drop()
            return
        self._suspect = oldest if late else None
        self._sweep = self._loop.call_later(self._interval, self._look_for_late)


def _deliver(on_reply: OnReply, reply: Reply | StateDownError) -> None:
    try:
        on_reply(reply)
    except asyncio.InvalidStateError:
        log.debug("reply for one who gave up")  # a future that was cancelled while it waited


class Connection(Protocol):
    """One Redis, or a cluster of them."""

    @property
    def up(self) -> bool: ...
    async def start(self) -> None: ...
    async def close(self) -> None: ...
    def send(self, *words: Word, on_reply: OnReply) -> None: ...
    async def call(self, *words: Word) -> Reply: ...


class RedisConnection:
    """Keeps one link to Redis up, and says so by `up`. Nothing here raises for a Redis that is away, only
    StateDownError where a reply was asked for."""

    def __init__(self, url: str, *, timeout_ms: int = 50, on_up: Callable[[bool], None] | None = None) -> None:
        """`url`: redis:// or unix:// (ConfigError otherwise); `timeout_ms`: longest wait for a reply; `on_up` is told
        every change of `up`."""
        self._address: RedisAddress = redis_address(url)
        self._timeout = timeout_ms / 1000
        self._on_up = on_up
        self._link: _Link | None = None
        self._gone = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def up(self) -> bool:
        """Whether a command sent now would leave."""
        return self._link is not None

    async def start(self) -> None:
        """Connect, and from now on reconnect. Returns after the first attempt, whether it worked or not."""
        assert self._keeper is None  # started once
        self._loop = asyncio.get_running_loop()
        await self._try_to_connect()
        self._keeper = asyncio.create_task(self._keep_connected())

    async def close(self) -> None:
        """Wait (at most the timeout) for what was sent, then give up the link. Commands fail at once from now on."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        with contextlib.suppress(StateDownError):
            await self.call("PING")
        if self._link is not None:
            link, self._link = self._link, None
            link.drop()

    def send(self, *words: Word, on_reply: OnReply) -> None:
        """Send a command. `on_reply` is called once, with the reply or StateDownError, perhaps before this returns."""
        if self._link is None:
            on_reply(StateDownError("Redis is not connected"))
        else:
            self._link.send(words, on_reply)

    async def call(self, *words: Word) -> Reply:
        """Send a command and wait for its reply. Raises StateDownError when there is none in time."""
        link = self._link
        if link is None:
            raise StateDownError("Redis is not connected")
        assert self._loop is not None  # there is a link, so it was started
        answer: asyncio.Future[Reply] = self._loop.create_future()
        link.send(words, answer.set_result)
        reply = await answer
        if type(reply) is StateDownError:
            raise StateDownError(*reply.args)  # one each: raising a shared one makes its traceback grow
        return reply

    async def _keep_connected(self) -> None:
        delay = BACKOFF_FIRST_SECONDS
        while True:
            if self._link is not None:
                delay = BACKOFF_FIRST_SECONDS
                await self._gone.wait()
            await asyncio.sleep(delay)
            delay = min(2 * delay, BACKOFF_MOST_SECONDS)
            if self._link is None:
                await self._try_to_connect()

    async def _try_to_connect(self) -> None:
        """One attempt. The link counts as up only after it has answered: a stalled Redis still accepts connections."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                link = await self._open()
                await self._greet(link)
        except (OSError, UnicodeError, StateDownError) as error:  # UnicodeError: a host that is no name
            log.debug("redis cannot be reached", cause=type(error).__name__)
            return
        self._gone.clear()
        self._link = link
        log.info("redis is up")
        if self._on_up is not None:
            self._on_up(True)

    async def _open(self) -> _Link:
        assert self._loop is not None
        address = self._address
        link = _Link(self._forget, self._timeout)
        if address.path:
            await self._loop.create_unix_connection(lambda: link, address.path)
        else:
            await self._loop.create_connection(lambda: link, address.host, address.port)
        return link

    async def _greet(self, link: _Link) -> None:
        """AUTH, SELECT, PING. Raises StateDownError unless all three are answered well."""
        address = self._address
        words: list[tuple[Word, ...]] = [("PING",)]
        if address.db:
            words.insert(0, ("SELECT", address.db))
        if address.password:
            words.insert(0, ("AUTH", *((address.user,) if address.user else ()), address.password))
        try:
            for command in words:
                await self._first_words(link, command)
        except BaseException:  # cancelled or timed out too: nobody else knows of this link
            link.drop()
            raise

    async def _first_words(self, link: _Link, command: tuple[Word, ...]) -> None:
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        link.send(command, answer.set_result)
        reply = await answer
        if isinstance(reply, Exception):
            log.warning(
                "redis refused the greeting", kind=str(command[0]), problem=str(reply).split(" ")[0]
            )  # the rest may quote us
            raise StateDownError("Redis refused the greeting")

    def _forget(self, link: _Link) -> None:
        """A link was lost. One that never got as far as up is nobody's loss."""
        if link is not self._link:
            return
        self._link = None
        self._gone.set()
        log.warning("redis is down")
        if self._on_up is not None:
            self._on_up(False)
