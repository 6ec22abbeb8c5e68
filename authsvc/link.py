"""One link: a connection with its frames, its messages under way, its back-pressure and its end.

Each frame goes its own way (`stepping`), so pipelined messages are answered as they are ready. A link with too many messages
under way, or whose peer does not read, is not read from; nobody else notices. Garbage is counted and, past a limit, closes
the link that sent it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol, cast

from msgspec.structs import replace

from authsvc.codec.dialects import DIALECTS, Dialect
from authsvc.codec.framing import FRAMINGS, FrameReader, Framing, frame
from authsvc.config import ListenerConfig
from authsvc.errors import PeerError
from authsvc.handover import Moved
from authsvc.logs import get_logger
from authsvc.metrics import FrameCause, Metrics
from authsvc.rate import Rate

log = get_logger(__name__)

_HOLDING = frozenset({"full", "rate"})
"""Causes for which a message that was read is not even begun."""
WRITE_BUFFER = 256 * 1024
"""Unread answers above which a link is not read from any more."""


def framing_of(config: ListenerConfig) -> Framing:
    """What a listener's settings say of its frames."""
    return replace(FRAMINGS[config.framing], inclusive=config.inclusive, tpdu=config.tpdu, vap=config.vap)


class OpenLink(NamedTuple):
    """A connection as it is now. `peer`: its address and port; `answered`: messages, `refused`: those of them that went no
    further (DE39 30, 91, 96 without a decision); `open`: seconds since this worker has it, `silent`: since it last sent
    anything; `paused`: why it is not read from, empty while it is."""

    listener: str
    peer: str
    signed_on: bool
    in_flight: int
    answered: int
    refused: int
    open: float
    silent: float
    paused: list[str]


class Handler(Protocol):
    """What the server does with a payload; `pipeline.Pipeline` implements it."""

    async def handle(self, link: LinkProtocol, payload: bytes) -> bytes | None: ...
    def fault(self, link: LinkProtocol, payload: bytes) -> bytes | None: ...


class Station(Protocol):
    """What a link asks of whoever has all links of the worker; `server.Server` is one."""

    metrics: Metrics

    def joined(self, link: LinkProtocol) -> None: ...
    def left(self, link: LinkProtocol) -> None: ...
    def finish(self, link: LinkProtocol) -> None:
        """The peer sends no more: close when its last answer is out."""

    def begun(self) -> None:
        """One message more is under way."""

    def begin(self, link: LinkProtocol, payload: bytes) -> None:
        """`link.answer(payload)`, now or in a moment."""

    def ended(self) -> None:
        """One message less."""

    def look_at_memory(self) -> None:
        """A peer does not take its answers."""


class LinkProtocol(asyncio.Protocol):
    """One connection. `signed_on`: False while authorizations are refused on it (0800, DE70 001 and 002)."""

    def __init__(self, server: Station, listener: str, config: ListenerConfig, handler: Handler) -> None:
        self.listener = listener
        self.dialect: Dialect = DIALECTS[config.dialect]
        self.signed_on = not config.require_sign_on
        self._server = server
        self._handler = handler
        self._config = config
        self._framing = framing_of(config)
        self._reader = FrameReader(self._framing, config.max_frame)
        self._transport: asyncio.Transport | None = None
        self._in_flight = 0
        self._garbage = 0
        self.answered = self.refused = 0
        self._paused_for: set[str] = set()
        self._half_closes = True
        self._waiting: deque[bytes] = deque()
        """Read, and not begun: one read can bring thousands of frames."""
        self._rate = Rate(config.messages_per_second, config.burst) if config.messages_per_second else None
        self.when_lost: Callable[[], None] = _nothing
        self._outgoing: list[bytes] = []
        self._leaving = False
        self._made = self._heard = self._frame_began = asyncio.get_running_loop().time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._half_closes = transport.get_extra_info("sslcontext") is None
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._server.joined(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Messages under way are still decided and remembered; their answers wait for the repeat."""
        if self._reader.pending:
            self._server.metrics.frame_refused(self.listener, "cut_short")
        self._transport = None
        self._waiting.clear()  # as if they had not been read: nobody answered them
        self._server.left(self)

    def data_received(self, data: bytes) -> None:
        if self._leaving:
            return
        now = asyncio.get_running_loop().time()
        if not self._reader.pending:
            self._frame_began = now
        self._heard = now
        try:
            payloads = self._reader.receive_data(data)
        except PeerError:
            self._lost_its_way()
            return
        if payloads:
            self._frame_began = now
        if self._rate is None and len(payloads) <= self._config.max_in_flight - self._in_flight and not self._waiting:
            for payload in payloads:
                self._begin(payload)
        else:
            self._waiting.extend(payloads)
            self._begin_waiting()
        if self._reader.broken is not None:
            self._lost_its_way()

    def _lost_its_way(self) -> None:
        """After a frame that is too long nobody knows where the next one begins; what came before it is answered."""
        self._server.metrics.frame_refused(self.listener, "too_long")
        log.warning("link closed", listener=self.listener, cause="too_long")
        self.pause("too_long")
        self._server.finish(self)

    def pause_writing(self) -> None:
        """The peer does not read its answers: take no more messages from it."""
        self.pause("write")
        self._server.look_at_memory()

    def resume_writing(self) -> None:
        self.resume("write")

    def eof_received(self) -> bool:
        """A peer that half-closes still gets the answers under way; in TLS there is no such thing."""
        self._server.finish(self)
        return self._half_closes

    def pause(self, cause: str) -> None:
        if not self._paused_for and self._transport is not None:
            self._transport.pause_reading()
        self._paused_for.add(cause)

    def resume(self, cause: str) -> None:
        self._paused_for.discard(cause)
        self._begin_waiting()
        if not self._paused_for and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    @property
    def can_move(self) -> bool:
        """Whether another process could go on with it: the state of TLS is in this one."""
        usable = self._transport is not None and not self._transport.is_closing()
        return usable and self._half_closes and self._reader.broken is None

    @property
    def connection(self) -> int:
        """Its descriptor."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("socket").fileno())

    def moved(self) -> Moved | None:
        """All there is to know of it; None while something is under way here, also an answer the peer has not taken."""
        if not self.can_move or self._in_flight or self._outgoing or self._unsent:
            return None
        now = asyncio.get_running_loop().time()
        return Moved(
            self.listener, self._address()[0], self.signed_on, self._garbage,
            0.0 if self._rate is None else self._rate.owed(now), now - self._heard, now - self._frame_began,
            tuple(self._waiting), self._reader.rest,
        )  # fmt: skip

    def let_go(self) -> None:
        """Its connection is another process's now, and goes on there."""
        self._waiting.clear()
        self._reader = FrameReader(self._framing, self._config.max_frame)
        self.close()

    def go_on(self, moved: Moved) -> None:
        """Be what the link was in the worker before; its connection comes next."""
        now = asyncio.get_running_loop().time()
        self.signed_on = moved.signed_on
        self._garbage = moved.garbage
        if self._rate is not None:
            self._rate.owe(moved.owed, now)
        self._heard, self._frame_began = now - moved.silent, now - moved.frame_age
        self._waiting.extend(moved.waiting)
        cut = self._reader.receive_data(moved.rest)
        assert not cut, "it was no whole frame there"

    @property
    def in_flight(self) -> int:
        """Messages that were read and are not answered yet."""
        return self._in_flight + len(self._waiting)

    @property
    def buffered(self) -> int:
        """Bytes held for this link: answers not taken, and what was read and is not begun."""
        return self._unsent + self._reader.buffered + sum(map(len, self._waiting))

    @property
    def _unsent(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def cut(self, cause: FrameCause) -> None:
        """At once, whatever it still waits for."""
        self._server.metrics.frame_refused(self.listener, cause)
        log.warning("link cut", listener=self.listener, cause=cause)
        self._waiting.clear()
        if self._transport is not None:
            self._transport.abort()

    def sweep(self, now: float) -> None:
        """Close a link that is silent for too long, or has a frame that never gets whole. Not while it waits for us."""
        if self.in_flight or self._paused_for - {"write"}:
            return
        silent = 0 < self._config.idle_seconds < now - self._heard
        if "write" in self._paused_for:
            if silent and self._transport is not None:
                self._server.metrics.frame_refused(self.listener, "idle")
                self._transport.abort()  # its answers would never leave: nobody reads them
        elif self._reader.pending and now - self._frame_began > self._config.frame_seconds:
            self._refuse("cut_short")
        elif silent:
            self._refuse("idle")

    def seen(self, now: float) -> OpenLink:
        """`now`: by the loop's clock."""
        return OpenLink(
            self.listener, self.peer, self.signed_on, self.in_flight, self.answered, self.refused,
            now - self._made, now - self._heard, sorted(self._paused_for),
        )  # fmt: skip

    @property
    def peer(self) -> str:
        """Address and port, "" when it is gone."""
        return ":".join(self._address())

    def _address(self) -> tuple[str, ...]:
        """Of its peer, and the port; ("",) when it is gone."""
        peer = self._transport.get_extra_info("peername") if self._transport else None
        return (str(peer[0]), str(peer[1])) if isinstance(peer, tuple) else ("",)

    def leave(self) -> None:
        """Tell the peer that nothing comes any more; whatever it sends from now on is not even looked at, so that it can be
        sent again elsewhere."""
        self._flush()
        self._leaving = True
        self._waiting.clear()
        if self._transport is None or self._transport.is_closing() or not self._transport.can_write_eof():
            return
        self._transport.write_eof()
        for cause in tuple(self._paused_for):
            self.resume(cause)

    def close(self) -> None:
        """What has been answered still leaves."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _begin_waiting(self) -> None:
        """As many of those that wait as may be begun now; the others are begun by what ends or resumes."""
        while self._waiting and self._in_flight < self._config.max_in_flight and not self._paused_for & _HOLDING:
            wait = 0.0 if self._rate is None else self._rate.wait(asyncio.get_running_loop().time())
            if wait:
                self._server.metrics.held_back(self.listener)
                self.pause("rate")
                asyncio.get_running_loop().call_later(wait, self.resume, "rate")
                return
            self._begin(self._waiting.popleft())

    def _begin(self, payload: bytes) -> None:
        self._in_flight += 1
        self._server.begun()
        self._server.begin(self, payload)
        if self._in_flight >= self._config.max_in_flight:
            self.pause("link")

    async def answer(self, payload: bytes) -> None:
        """No exception leaves: an unforeseen one is answered DE39 96 and logged without any value of the message."""
        tpdu, message = self._framing.opened(payload)
        try:
            answer = await self._handler.handle(self, message)
        except Exception as error:
            log.error("fault", listener=self.listener, exc_info=error)
            answer = self._handler.fault(self, message)
        finally:
            self._in_flight -= 1
            self._server.ended()
        if self._waiting:
            self._begin_waiting()
        if self._in_flight < self._config.max_in_flight // 2 + 1:
            self.resume("link")
        if answer is None:
            self._garbage_came()
        elif len(tpdu) + len(answer) > self._framing.largest:
            log.error("answer above what its frame can say", listener=self.listener, bytes=len(answer))
        elif self._transport is not None:
            self._garbage = 0
            self.answered += 1
            self._send(frame(answer, self._framing, tpdu))

    def _send(self, framed: bytes) -> None:
        """All answers of one turn of the loop leave in one write: a system call costs more than making the answer."""
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append(framed)

    def _flush(self) -> None:
        if self._transport is not None and self._outgoing:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def _garbage_came(self) -> None:
        """Something that could not even be answered. Enough of it in a row, and this is no peer of ours."""
        self._server.metrics.frame_refused(self.listener, "garbage")
        self._garbage += 1
        if self._config.garbage_limit and self._garbage >= self._config.garbage_limit:
            self._close("garbage_limit")

    def _refuse(self, cause: FrameCause) -> None:
        self._server.metrics.frame_refused(self.listener, cause)
        self._close(cause)

    def _close(self, cause: str) -> None:
        log.warning("link closed", listener=self.listener, cause=cause)
        self._waiting.clear()
        self.close()


def _nothing() -> None:
    """What a link that came through no door does when it is lost."""
