"""The connection to Redis, shared by every message under way.

It is several links. On one goes what Redis is told, which may be megabytes at a time; on the others go questions, which
messages wait for. No question stands behind what was told before, and there is no order between the two.

No command waits for a connection, and none waits longer than the timeout for a Redis that stands still: StateDownError
instead, and the caller reads the journal. redis-py costs 14 to 36 µs of CPU a command; this, about 2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol

from authsvc.config import RedisAddress, redis_address
from authsvc.errors import StateDownError
from authsvc.logs import get_logger
from authsvc.state.redis_link import Link, OnReply, Reply, Word, replied

CONNECT_SECONDS = 1.0
BACKOFF_FIRST_SECONDS = 0.02
BACKOFF_MOST_SECONDS = 1.0
ASKING = 4
"""Links for questions. A turn of the loop reads once from each, and a Unix socket holds some 200 kB."""
FEW = 8
"""Questions that share a link before the next one is used."""

log = get_logger(__name__)


class Connection(Protocol):
    """One Redis, or a cluster of them."""

    @property
    def up(self) -> bool: ...
    async def start(self) -> None: ...
    async def close(self) -> None: ...
    def send(self, *words: Word, on_reply: OnReply) -> None: ...
    async def call(self, *words: Word) -> Reply: ...


class _Links(NamedTuple):
    """All or none: what is up answers questions, and takes what it is told."""

    told: Link
    asked: tuple[Link, ...]

    @property
    def all(self) -> tuple[Link, ...]:
        return (self.told, *self.asked)

    @property
    def free(self) -> Link:
        """For a question: the first that has hardly any, so that few share a write; else the one that has the fewest."""
        for link in self.asked:
            if link.waiting < FEW:
                return link
        return min(self.asked, key=_waiting)


class RedisConnection:
    """Keeps the links to Redis up, and says so by `up`. Nothing here raises for a Redis that is away, only
    StateDownError where a reply was asked for."""

    def __init__(self, url: str, *, timeout_ms: int = 50, on_up: Callable[[bool], None] | None = None) -> None:
        """`url`: redis:// or unix:// (ConfigError otherwise); `timeout_ms`: longest wait for a reply; `on_up` is told
        every change of `up`."""
        self._address: RedisAddress = redis_address(url)
        self._timeout = timeout_ms / 1000
        self._on_up = on_up
        self._links: _Links | None = None
        self._gone = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """Whether a command sent now would leave."""
        return self._links is not None

    async def start(self) -> None:
        """Connect, and from now on reconnect. Returns after the first attempt, whether it worked or not."""
        assert self._keeper is None  # started once
        await self._try_to_connect()
        self._keeper = asyncio.create_task(self._keep_connected())

    async def close(self) -> None:
        """Wait (at most the timeout) for what was sent, then give up the links. Commands fail at once from now on."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._links is not None:
            await asyncio.wait([replied(link, ("PING",)) for link in self._links.all])
        self._drop()

    def send(self, *words: Word, on_reply: OnReply) -> None:
        """Tell Redis something. `on_reply` is called once, with the reply or StateDownError, perhaps before this returns."""
        if self._links is None:
            on_reply(StateDownError("Redis is not connected"))
        else:
            self._links.told.send(words, on_reply)

    def ask(self, *words: Word, on_reply: OnReply) -> None:
        """Ask Redis something, as `send`."""
        if self._links is None:
            on_reply(StateDownError("Redis is not connected"))
        else:
            self._links.free.send(words, on_reply)

    async def call(self, *words: Word) -> Reply:
        """Ask Redis something and wait for its reply. Raises StateDownError when there is none in time."""
        if self._links is None:
            raise StateDownError("Redis is not connected")
        reply = await replied(self._links.free, words)
        if type(reply) is StateDownError:
            raise StateDownError(*reply.args)  # one each: raising a shared one makes its traceback grow
        return reply

    async def _keep_connected(self) -> None:
        delay = BACKOFF_FIRST_SECONDS
        while True:
            if self._links is not None:
                delay = BACKOFF_FIRST_SECONDS
                await self._gone.wait()
            await asyncio.sleep(delay)
            delay = min(2 * delay, BACKOFF_MOST_SECONDS)
            if self._links is None:
                await self._try_to_connect()

    async def _try_to_connect(self) -> None:
        """One attempt. The links count as up only after all have answered: a stalled Redis still accepts connections."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                links = await self._open_all()
        except (OSError, UnicodeError, StateDownError) as error:  # UnicodeError: a host that is no name
            log.debug("redis cannot be reached", cause=type(error).__name__)
            return
        self._gone.clear()
        self._links = links
        log.info("redis is up")
        if self._on_up is not None:
            self._on_up(True)

    async def _open_all(self) -> _Links:
        """Raises as `_open`, and leaves none open then."""
        made: list[Link] = []
        try:
            while len(made) <= ASKING:
                made.append(await self._open())
            if not all(link.up for link in made):
                raise StateDownError("a link was lost while the next was made")
        except BaseException:  # cancelled or timed out too: nobody else knows of them
            for link in made:
                link.drop()
            raise
        return _Links(made[0], tuple(made[1:]))

    async def _open(self) -> Link:
        """A link that has signed on. Raises OSError or StateDownError when there is none to be had."""
        loop, address = asyncio.get_running_loop(), self._address
        link = Link(self._lost, self._timeout)
        if address.path:
            await loop.create_unix_connection(lambda: link, address.path)
        else:
            await loop.create_connection(lambda: link, address.host, address.port)
        try:
            await self._greet(link)
        except BaseException:  # cancelled or timed out too: nobody else knows of this link
            link.drop()
            raise
        return link

    async def _greet(self, link: Link) -> None:
        """AUTH, SELECT, PING. Raises StateDownError unless all three are answered well."""
        address = self._address
        words: list[tuple[Word, ...]] = [("PING",)]
        if address.db:
            words.insert(0, ("SELECT", address.db))
        if address.password:
            words.insert(0, ("AUTH", *((address.user,) if address.user else ()), address.password))
        for command in words:
            reply = await replied(link, command)
            if isinstance(reply, Exception):
                log.warning(
                    "redis refused the greeting", kind=str(command[0]), problem=str(reply).split(" ")[0]
                )  # the rest may quote us
                raise StateDownError("Redis refused the greeting")

    def _lost(self, link: Link) -> None:
        """One link is gone, and the others with it. One that never got as far as up is nobody's loss."""
        if self._links is None or link not in self._links.all:
            return
        self._drop()
        self._gone.set()
        log.warning("redis is down")
        if self._on_up is not None:
            self._on_up(False)

    def _drop(self) -> None:
        """Nobody may send on them any more before those who wait are told."""
        links, self._links = self._links, None
        for link in links.all if links is not None else ():
            link.drop()


def _waiting(link: Link) -> int:
    return link.waiting
