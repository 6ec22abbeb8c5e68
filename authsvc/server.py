"""All links of one worker: listeners, what they may have under way and hold together, drain. With `link` and `doors` the only
module on the way of a message that knows sockets."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from authsvc.config import LimitsConfig, ListenerConfig
from authsvc.doors import Door, Room
from authsvc.errors import ConfigError
from authsvc.handover import Channel, Moved, hand_over
from authsvc.link import Handler, LinkProtocol, OpenLink
from authsvc.metrics import Metrics
from authsvc.stepping import SHARED, Stepping

FEW = 2
"""Messages under way up to which the next one is begun where it is read."""
A_TURN = 32
"""Messages begun in one turn of the loop, at most. The first of a long turn are durable before it ends, and nobody is told: a
crowd of 250, after a pause of whatever kind, had all of its answers 50 to 90 ms late (docs/decisions/0051)."""
SWEEP_SECONDS = 1.0
MEMORY_SECONDS = 0.1
"""How often at most the bytes that all links hold are counted."""
LEAVE_SECONDS = 0.05
"""How long a link whose peer has been told the end is still read from: a socket closed with something unread in it takes the
answers along that the peer has not got yet."""


class Server:
    """All listeners of one worker. `limits`: of all of them together; `sweep_seconds`: how often links are looked at."""

    def __init__(
        self,
        handler: Handler,
        metrics: Metrics,
        limits: LimitsConfig,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self.handler = handler
        self.metrics = metrics
        self._sweep_seconds = sweep_seconds
        self._limit = limits.in_flight
        self._most_buffered = limits.buffered_kb * 1024
        self._memory_check: asyncio.TimerHandle | None = None
        self._room = Room(limits)
        self.messages = 0
        """Begun so far."""
        self._in_flight = 0
        metrics.watch_in_flight(lambda: self._in_flight)
        metrics.gauges.in_flight_limit(limits.in_flight)
        self._links: set[LinkProtocol] = set()
        self._finishing: set[LinkProtocol] = set()
        self._doors: dict[str, Door] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._full = False
        self._gathered: list[tuple[LinkProtocol, bytes]] = []
        self._soon = False
        self._beginning = False
        self._idle: asyncio.Future[None] | None = None

    async def listen(
        self, name: str, config: ListenerConfig, handler: Handler | None = None, bound: socket.socket | None = None
    ) -> int:
        """Open one listener; returns its port. `handler`: of this listener, when it has one of its own; `bound`: its socket,
        where somebody else keeps it over a restart of ours."""
        door = Door(
            name, config, self._room, self.metrics, lambda: LinkProtocol(self, name, config, handler or self.handler)
        )
        port = await door.open(bound)
        self._doors[name] = door
        self.metrics.gauges.watch_signed_on(name, lambda: self._signed_on(name))
        if self._sweeper is None:
            self._sweep(asyncio.get_running_loop().time())
        return port

    def renew_certificates(self) -> None:
        """Those of every listener, for the connections from now on. Raises ConfigError; the others are renewed then too."""
        problems = []
        for door in self._doors.values():
            try:
                door.renew()
            except ConfigError as error:
                problems.append(str(error))
        if problems:
            raise ConfigError("; ".join(problems))

    async def adopt(self, moved: Moved, connection: socket.socket) -> None:
        """A link of the worker that was in our place goes on as one of ours. Raises OSError when its peer is gone."""
        door = self._doors[moved.listener]
        link = cast(LinkProtocol, door.link())
        link.go_on(moved)
        await door.take_over(connection, moved.peer, link)
        link.resume("moving")

    async def hand_over(self, heir: Channel, seconds: float) -> int:
        """Stop accepting, and give every link that can go to the `heir`; how many went. Then comes `drain`, for the others."""
        for door in self._doors.values():
            door.stop_accepting()
        await asyncio.sleep(LEAVE_SECONDS)  # what was accepted a moment ago becomes a link
        return await hand_over(lambda: self._links - self._finishing, heir, seconds)

    async def drain(self, seconds: float, grace: float = 0.0) -> bool:
        """Stop accepting; for `grace` seconds serve the links there are; stop reading, answer what was read, close. False:
        `seconds` were not enough."""
        for door in self._doors.values():
            door.stop_accepting()
        if grace:
            await asyncio.sleep(LEAVE_SECONDS)  # what was accepted a moment ago becomes a link
            await self._until_left(grace)
        for door in self._doors.values():
            door.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for link in self._links:
            link.pause("drain")
        self._begin_gathered()
        until = asyncio.get_running_loop().time() + seconds
        while self._in_flight and (left := until - asyncio.get_running_loop().time()) > 0:  # those that wait follow
            self._idle = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._idle], timeout=left)
        done = not self._in_flight
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
        while (
            self._links or any(door.entering > 0 for door in self._doors.values())
        ) and asyncio.get_running_loop().time() < until:
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
        link.when_lost()

    def finish(self, link: LinkProtocol) -> None:
        """The peer sends no more: close when its last answer is out."""
        if link.in_flight:
            self._finishing.add(link)
        else:
            link.close()

    def begin(self, link: LinkProtocol, payload: bytes) -> None:
        """At once while hardly anything is under way. Else in the next turn of the loop, with all others that were read in this
        one: they wait for the same commit anyway. Never inside of another's beginning."""
        self._gathered.append((link, payload))
        if self._beginning or not self._hardly_busy:
            self._begin_soon()
        else:
            self._begin_gathered()

    @property
    def _hardly_busy(self) -> bool:
        """Nobody to wait for."""
        return self._in_flight - len(self._gathered) <= FEW

    def _begin_gathered(self) -> None:
        self._soon = False
        first, self._gathered = self._gathered[:A_TURN], self._gathered[A_TURN:]
        self._beginning = True
        try:
            for link, payload in first:
                Stepping(link.answer(payload)).step()
        finally:
            self._beginning = False
        if self._gathered:
            self._begin_soon()

    def _begin_soon(self) -> None:
        """In the next turn of the loop."""
        if not self._soon:
            self._soon = True
            asyncio.get_running_loop().call_soon(self._begin_gathered, context=SHARED)

    def begun(self) -> None:
        self._in_flight += 1
        self.messages += 1
        if self._in_flight >= self._limit and not self._full:
            self._full = True
            self._room.served.clear()
            for link in self._links:
                link.pause("full")

    def ended(self) -> None:
        self._in_flight -= 1
        if self._idle is not None and not self._in_flight and not self._idle.done():
            self._idle.set_result(None)
        if self._full and self._in_flight <= self._limit * 3 // 4:
            self._full = False
            self._room.served.set()
            for link in self._links:
                link.resume("full")
        if self._finishing:
            asyncio.get_running_loop().call_soon(self._close_finished)

    def look_at_memory(self) -> None:
        """Soon: a link whose peer does not take its answers was found just now."""
        if self._memory_check is None:
            self._memory_check = asyncio.get_running_loop().call_later(MEMORY_SECONDS, self._cut_the_fullest)

    def _cut_the_fullest(self) -> None:
        """Links that hold the most go, until all the others are within the limit together."""
        self._memory_check = None
        held = {link: link.buffered for link in self._links}
        total = sum(held.values())
        for link in sorted(held, key=held.__getitem__, reverse=True):
            if total <= self._most_buffered:
                break
            total -= held[link]
            link.cut("memory")

    def _close_finished(self) -> None:
        for link in [link for link in self._finishing if not link.in_flight]:
            link.close()

    @property
    def in_flight(self) -> int:
        """Messages that were begun and are not answered yet."""
        return self._in_flight

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
        self._cut_the_fullest()
        planned = now + self._sweep_seconds
        self._sweeper = loop.call_at(planned, self._sweep, planned)
