"""Links: listeners, connections, back-pressure, drain. The only module on the way of a message that knows sockets.

Each frame becomes one task, so pipelined messages are answered as they are ready. A link with too many messages under
way, or whose peer does not read, is not read from; nobody else notices. Garbage is counted and, past a limit, closes
the link that sent it.
"""

from __future__ import annotations

import asyncio
import socket
from typing import NamedTuple, Protocol, cast

from msgspec.structs import replace

from authsvc.codec.dialects import DIALECTS, Dialect
from authsvc.codec.framing import FRAMINGS, FrameReader, Framing, frame
from authsvc.config import ListenerConfig
from authsvc.errors import PeerError
from authsvc.logs import get_logger
from authsvc.metrics import FrameCause, Metrics

log = get_logger(__name__)

BACKLOG = 1024
SWEEP_SECONDS = 1.0
LEAVE_SECONDS = 0.05
"""How long a link whose peer has been told the end is still read from: a socket closed with something unread in it takes the
answers along that the peer has not got yet."""
FRAME_SECONDS = 10.0
"""A frame that has begun must be whole after this long: else a peer could keep a link busy with one byte a minute."""
WRITE_BUFFER = 256 * 1024
"""Unread answers above which a link is not read from any more."""


def framing_of(config: ListenerConfig) -> Framing:
    """What a listener's settings say of its frames."""
    return replace(FRAMINGS[config.framing], inclusive=config.inclusive, tpdu=config.tpdu, vap=config.vap)


class OpenLink(NamedTuple):
    """A connection as it is now. `peer`: its address and port; `silent`: seconds since it last sent anything; `paused`: why it
    is not read from, empty while it is."""

    listener: str
    peer: str
    signed_on: bool
    in_flight: int
    silent: float
    paused: list[str]


class Handler(Protocol):
    """What the server does with a payload; `pipeline.Pipeline` implements it."""

    async def handle(self, link: LinkProtocol, payload: bytes) -> bytes | None: ...
    def fault(self, link: LinkProtocol, payload: bytes) -> bytes | None: ...


class LinkProtocol(asyncio.Protocol):
    """One connection. `signed_on`: False while authorizations are refused on it (0800, DE70 001 and 002)."""

    def __init__(self, server: Server, listener: str, config: ListenerConfig) -> None:
        self.listener = listener
        self.dialect: Dialect = DIALECTS[config.dialect]
        self.signed_on = not config.require_sign_on
        self._server = server
        self._config = config
        self._framing = framing_of(config)
        self._reader = FrameReader(self._framing, config.max_frame)
        self._transport: asyncio.Transport | None = None
        self._in_flight = 0
        self._garbage = 0
        self._paused_for: set[str] = set()
        self._outgoing: list[bytes] = []
        self._leaving = False
        self._heard = self._frame_began = asyncio.get_running_loop().time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._server.joined(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Messages under way are still decided and remembered; their answers wait for the repeat."""
        if self._reader.pending:
            self._server.metrics.frame_refused(self.listener, "cut_short")
        self._transport = None
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
        for payload in payloads:
            self._begin(payload)
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

    def resume_writing(self) -> None:
        self.resume("write")

    def eof_received(self) -> bool:
        """A peer that half-closes still gets the answers under way."""
        self._server.finish(self)
        return True

    def pause(self, cause: str) -> None:
        if not self._paused_for and self._transport is not None:
            self._transport.pause_reading()
        self._paused_for.add(cause)

    def resume(self, cause: str) -> None:
        self._paused_for.discard(cause)
        if not self._paused_for and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def sweep(self, now: float) -> None:
        """Close a link that is silent for too long, or has a frame that never gets whole. Not while it waits for us."""
        if self._in_flight or self._paused_for - {"write"}:
            return
        silent = 0 < self._config.idle_seconds < now - self._heard
        if "write" in self._paused_for:
            if silent and self._transport is not None:
                self._server.metrics.frame_refused(self.listener, "idle")
                self._transport.abort()  # its answers would never leave: nobody reads them
        elif self._reader.pending and now - self._frame_began > self._server.frame_seconds:
            self._refuse("cut_short")
        elif silent:
            self._refuse("idle")

    def seen(self, now: float) -> OpenLink:
        """`now`: by the loop's clock."""
        peer = self._transport.get_extra_info("peername") if self._transport else None
        address = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else ""
        return OpenLink(
            self.listener, address, self.signed_on, self.in_flight, now - self._heard, sorted(self._paused_for)
        )

    def leave(self) -> None:
        """Tell the peer that nothing comes any more; whatever it sends from now on is not even looked at, so that it can be
        sent again elsewhere."""
        self._flush()
        self._leaving = True
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

    def _begin(self, payload: bytes) -> None:
        self._in_flight += 1
        self._server.begun()
        task = asyncio.get_running_loop().create_task(self._answer(payload))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)
        if self._in_flight >= self._config.max_in_flight:
            self.pause("link")

    async def _answer(self, payload: bytes) -> None:
        """No exception leaves: an unforeseen one is answered DE39 96 and logged without any value of the message."""
        tpdu, message = self._framing.opened(payload)
        try:
            answer = await self._server.handler.handle(self, message)
        except Exception as error:
            log.error("fault", listener=self.listener, exc_info=error)
            answer = self._server.handler.fault(self, message)
        finally:
            self._in_flight -= 1
            self._server.ended()
        if self._in_flight < self._config.max_in_flight // 2 + 1:
            self.resume("link")
        if answer is None:
            self._garbage_came()
        elif len(tpdu) + len(answer) > self._framing.largest:
            log.error("answer above what its frame can say", listener=self.listener, bytes=len(answer))
        elif self._transport is not None:
            self._garbage = 0
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
        self.close()


class Server:
    """All listeners of one worker. `in_flight_limit`: most messages under way in all; above it no link is read from.
    `frame_seconds`: as `FRAME_SECONDS`; `sweep_seconds`: how often links are looked at."""

    def __init__(
        self,
        handler: Handler,
        metrics: Metrics,
        in_flight_limit: int,
        frame_seconds: float = FRAME_SECONDS,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self.handler = handler
        self.metrics = metrics
        self.frame_seconds = frame_seconds
        self._sweep_seconds = sweep_seconds
        self.tasks: set[asyncio.Task[None]] = set()
        self._limit = in_flight_limit
        self._in_flight = 0
        metrics.watch_in_flight(lambda: self._in_flight)
        metrics.gauges.in_flight_limit(in_flight_limit)
        self._links: set[LinkProtocol] = set()
        self._finishing: set[LinkProtocol] = set()
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._full = False

    async def listen(self, name: str, config: ListenerConfig, bound: socket.socket | None = None) -> int:
        """Open one listener; returns its port. `bound`: its socket, where somebody else keeps it over a restart of ours."""
        loop = asyncio.get_running_loop()
        if bound is None:
            server = await loop.create_server(
                lambda: LinkProtocol(self, name, config), config.host, config.port, reuse_address=True, backlog=BACKLOG
            )
        else:
            server = await loop.create_server(lambda: LinkProtocol(self, name, config), sock=bound, backlog=BACKLOG)
        self._servers.append(server)
        self.metrics.gauges.watch_signed_on(name, lambda: self._signed_on(name))
        if self._sweeper is None:
            self._sweep(loop.time())
        return int(server.sockets[0].getsockname()[1])

    async def drain(self, seconds: float, grace: float = 0.0) -> bool:
        """Stop accepting; for `grace` seconds serve the links there are; stop reading, answer what was read, close. False:
        `seconds` were not enough."""
        for server in self._servers:
            server.close()
        await self._until_left(grace)
        if self._sweeper is not None:
            self._sweeper.cancel()
        for link in self._links:
            link.pause("drain")
        done = True
        if self.tasks:
            _, late = await asyncio.wait(self.tasks, timeout=seconds)
            done = not late
        for link in list(self._links):
            link.leave()
        await self._until_left(LEAVE_SECONDS)
        for link in list(self._links):
            link.close()
        await asyncio.sleep(0)
        return done

    async def _until_left(self, seconds: float) -> None:
        """Until every peer has gone by itself, at most so long."""
        until = asyncio.get_running_loop().time() + seconds
        while self._links and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(LEAVE_SECONDS / 10)

    def joined(self, link: LinkProtocol) -> None:
        self._links.add(link)
        self.metrics.connected(link.listener)
        # Not at once: uvloop begins to read a new connection after this, whatever it was told before.
        asyncio.get_running_loop().call_soon(self._pause_if_full, link)

    def _pause_if_full(self, link: LinkProtocol) -> None:
        if self._full and link in self._links:
            link.pause("full")

    def left(self, link: LinkProtocol) -> None:
        self._links.discard(link)
        self._finishing.discard(link)
        self.metrics.disconnected(link.listener)

    def finish(self, link: LinkProtocol) -> None:
        """The peer sends no more: close when its last answer is out."""
        if link.in_flight:
            self._finishing.add(link)
        else:
            link.close()

    def begun(self) -> None:
        self._in_flight += 1
        if self._in_flight >= self._limit and not self._full:
            self._full = True
            for link in self._links:
                link.pause("full")

    def ended(self) -> None:
        self._in_flight -= 1
        if self._full and self._in_flight <= self._limit * 3 // 4:
            self._full = False
            for link in self._links:
                link.resume("full")
        if self._finishing:
            asyncio.get_running_loop().call_soon(self._close_finished)

    def _close_finished(self) -> None:
        for link in [link for link in self._finishing if not link.in_flight]:
            link.close()

    def links(self) -> list[OpenLink]:
        """Every link that is open now, for people."""
        now = asyncio.get_running_loop().time()
        return [link.seen(now) for link in self._links]

    def _signed_on(self, listener: str) -> int:
        return sum(link.signed_on for link in self._links if link.listener == listener)

    def _sweep(self, planned: float) -> None:
        """`planned`: when it was to be, by the loop's clock; how late it is tells how busy the loop is."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self.metrics.gauges.loop_lag(max(0.0, now - planned))
        for link in list(self._links):
            link.sweep(now)
        planned = now + self._sweep_seconds
        self._sweeper = loop.call_at(planned, self._sweep, planned)
