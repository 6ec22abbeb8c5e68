"""One connection to Redis in the sense of the system: commands leave together, replies come in order, and who waits too long is
told so. `connection` keeps several of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any, TypeAlias, cast

import hiredis

from authsvc.errors import StateDownError
from authsvc.logs import get_logger

Word: TypeAlias = str | bytes | int
Reply: TypeAlias = Any
"""bytes, int, None, a list of these; or a `hiredis.ReplyError`, as a value: the caller knows what it means."""
OnReply: TypeAlias = Callable[["Reply | StateDownError"], None]

SWEEPS_PER_TIMEOUT = 8
PART_BYTES = 128 * 1024
"""Of commands that do not wait for the end of the turn: Redis takes them while we go on; a socket has room for some 200 kB."""

log = get_logger(__name__)
_pack = cast("Callable[[tuple[Word, ...]], bytes]", hiredis.pack_command)


class _Batch:
    """Commands that leave in one write. `left`: when, by the loop's clock; until then none of them is late."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = inf


class Link(asyncio.Protocol):
    """One TCP or unix connection, from made to lost. Replies answer the oldest command that has none yet."""

    def __init__(self, lost: Callable[[Link], None], timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._lost = lost
        self._interval = timeout / SWEEPS_PER_TIMEOUT
        self._late = timeout - 2 * self._interval
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[_Batch, OnReply]] = deque()
        self._batch = _Batch()
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._sweep: asyncio.TimerHandle | None = None
        self._suspect: OnReply | None = None

    @property
    def up(self) -> bool:
        """Whether it has been made and not been lost."""
        return self._transport is not None

    @property
    def waiting(self) -> int:
        """Commands that have no reply yet."""
        return len(self._waiting)

    def send(self, words: tuple[Word, ...], on_reply: OnReply) -> None:
        """Queue a command; what was queued in one turn of the event loop leaves in one write at its end, but for long ones."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._waiting.append((self._batch, on_reply))
        packed = _pack(words)
        self._outgoing.append(packed)
        self._outgoing_bytes += len(packed)
        if self._outgoing_bytes >= PART_BYTES:
            self._flush()
        if self._sweep is None:
            self._sweep = self._loop.call_later(self._interval, self._look_for_late)

    def _flush(self) -> None:
        # A peer that does not read cannot make this grow for long: after the timeout the link is dropped.
        if not self._outgoing:
            return  # long ones have left already
        if self._transport is not None:
            self._transport.write(b"".join(self._outgoing))
        self._batch.left = self._loop.time()
        self._batch = _Batch()
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

        Two, because libuv runs timers before it reads: after a long turn of ours, the reply may be in the socket. By when they
        left, because a long turn is over before what was sent in it leaves. One timer for all commands, not one each. Seen late
        first at most one interval after `_late`, dropped one after.
        """
        self._sweep = None
        if not self._waiting:
            self._suspect = None
            return
        batch, oldest = self._waiting[0]
        late = self._loop.time() - batch.left >= self._late
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


def replied(link: Link, words: tuple[Word, ...]) -> asyncio.Future[Reply | StateDownError]:
    """A command, and its reply when it comes."""
    answer: asyncio.Future[Reply | StateDownError] = asyncio.get_running_loop().create_future()
    link.send(words, answer.set_result)
    return answer
