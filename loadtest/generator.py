"""Puts load on an ISO 8583 host over many links, in one process, on uvloop.

Open loop: messages are due on a schedule that no answer can delay, and latency counts from the moment a message was
due; so a host that stalls cannot hide its queue. Closed loop: a fixed number under way on each link, each answer brings
the next message; latency counts from sending. Bounded in time and in number. No task and no timer belongs to a message.
"""

from __future__ import annotations

import asyncio
import resource
import ssl
from collections.abc import Callable, Iterator
from random import Random
from time import perf_counter
from typing import Literal, cast

from msgspec import Struct

from authsvc.codec.framing import FrameReader
from authsvc.errors import PeerError
from loadtest.fast import ASCII, AnswerReader, Reading, Wire
from loadtest.report import Result, result_of
from loadtest.timeline import LONGEST, Example, Second, Tally
from loadtest.traffic import Expect, Sent, Source
from loadtest.wire import WireError

TICK_SECONDS = 0.001
"""Timers of uvloop count milliseconds; a shorter wait would be a busy loop."""
MAX_FRAME = 9_999


class Plan(Struct, frozen=True, kw_only=True):
    """`rate`: messages a second, open loop, on its way to `to` when that is given (a ramp); `under_way`: messages on each link,
    closed loop; one of `rate` and `under_way` is 0.

    `most`: stop after so many; `arrivals`: of the open loop, exponential gaps or equal ones; `wait_seconds`: for an
    answer, after which its message is unanswered; `expect`: how much of an answer is checked; "none" takes anything that
    carries the STAN back for an answer, such as an echo; `interval`: seconds of one point of the timeline.
    """

    links: int
    seconds: float
    most: int
    rate: float = 0.0
    to: float = 0.0
    under_way: int = 0
    arrivals: Literal["poisson", "even"] = "poisson"
    wait_seconds: float = 10.0
    expect: Expect = "model"
    seed: int = 1
    interval: float = 1.0


class _Link(asyncio.Protocol):
    """One connection: messages under way on it by STAN, and what leaves at the end of this turn."""

    def __init__(self, generator: Generator, wire: Wire) -> None:
        self.under_way: dict[bytes, Sent] = {}
        self._generator = generator
        self._cutter = FrameReader(wire.framing, MAX_FRAME)
        self._outgoing: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - however it was lost, it is
        self._transport = None
        self._generator.link_lost(self)

    def data_received(self, data: bytes) -> None:
        try:
            payloads = self._cutter.receive_data(data)
        except PeerError:
            self._generator.tally.garbled += 1
            self.close()
            return
        now = perf_counter()
        for payload in payloads:
            self._generator.received(self, payload, now)
        self.flush()

    def put(self, sent: Sent) -> None:
        self.under_way[sent.stan] = sent
        self._outgoing.append(sent.frame)

    def flush(self) -> None:
        if self._outgoing and self._transport is not None:
            self._transport.write(b"".join(self._outgoing))
            self._outgoing.clear()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Generator:
    """One run: built, then `run` once. `tls`: for links that are encrypted."""

    def __init__(self, plan: Plan, source: Source, wire: Wire = ASCII, tls: ssl.SSLContext | None = None) -> None:
        assert bool(plan.rate) != bool(plan.under_way)
        self.tally = Tally()
        self._plan = plan
        self._source = source
        self._wire = wire
        self._tls = tls
        self._reader = AnswerReader(wire)
        self._links: list[_Link] = []
        self._turn = 0
        self._more = True
        self._closing = False
        self._gaps = _gaps(plan)

    @property
    def waiting(self) -> int:
        """Messages under way."""
        return sum(len(link.under_way) for link in self._links)

    async def run(self, host: str, port: int, progress: Callable[[Second], None] | None = None) -> Result:
        """Raises OSError when nobody listens. `progress` is called with every interval that has passed."""
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        for _ in range(self._plan.links):
            _, link = await self._loop.create_connection(lambda: _Link(self, self._wire), host, port, ssl=self._tls)
            self._links.append(link)
        cpu = _cpu_seconds()
        self._begun = self._last = self._due = self.tally.begun = perf_counter()
        watching = self._loop.create_task(self._watch(progress))
        if self._plan.rate:
            self._tick()
        else:
            self._fill()
        try:
            await self._finished()
        finally:
            watching.cancel()
        self.tally.end_of_interval(0)
        return result_of(self.tally, max(self._last - self._begun, 1e-9), _cpu_seconds() - cpu)

    async def _finished(self) -> None:
        """Until all is sent and answered, or the time for the last answers is over; then the links are closed."""
        end = self._loop.call_later(self._plan.seconds, self._stop_sending)
        await self._done
        end.cancel()
        self._closing = True
        for link in self._links:
            self._give_up(link, float("inf"))
            link.close()

    async def _watch(self, progress: Callable[[Second], None] | None) -> None:
        """Once an interval: what has waited too long is given up, and the interval is counted."""
        turn = 0
        while True:
            turn += 1
            await asyncio.sleep(max(0.0, self._begun + turn * self._plan.interval - perf_counter()))
            for link in self._links:
                self._give_up(link, perf_counter() - self._plan.wait_seconds)
            second = self.tally.end_of_interval(self.waiting)
            if progress is not None:
                progress(second)
            if not self._more:
                self._finish_if_done()

    # ------------------------------------------------------------------ sending

    def _tick(self) -> None:
        """Send what is due by now."""
        now = perf_counter()
        if self._due <= now:
            self.tally.late.record_value(int((now - self._due) * 1e6))
        while self._more and self._links and self._due <= now:
            self._send(self._next_link(), self._due)
            self._due += self._gaps(self._due - self._begun)
            if self._due > self._begun + self._plan.seconds:
                self._stop_sending()
        for link in self._links:
            link.flush()
        if self._more:
            self._loop.call_later(max(TICK_SECONDS, self._due - perf_counter()), self._tick)

    def _fill(self) -> None:
        """Closed loop: so many under way on each link."""
        for link in self._links:
            for _ in range(self._plan.under_way):
                self._send(link, perf_counter())
            link.flush()

    def _next_link(self) -> _Link:
        self._turn += 1
        return self._links[self._turn % len(self._links)]

    def _send(self, link: _Link, intended: float) -> None:
        sent = self._source.next() if self._more and self.tally.sent < self._plan.most else None
        if sent is None:
            self._stop_sending()
            return
        sent.intended = intended
        self.tally.sent += 1
        if sent.stan in link.under_way:  # a million messages later
            self._not_answered(link.under_way.pop(sent.stan))
        link.put(sent)

    # ------------------------------------------------------------------ receiving

    def received(self, link: _Link, payload: bytes, now: float) -> None:
        found = self._find(link, payload)
        if found is None:
            self.tally.garbled += 1
            return
        sent, answer = found
        del link.under_way[sent.stan]
        self._count(sent, answer, now)
        if self._plan.under_way:
            self._send(link, now)
        elif not self._more:
            self._finish_if_done()

    def _find(self, link: _Link, payload: bytes) -> tuple[Sent, Reading] | None:
        """What it answers. A guess that does not fit is read again whole; None: it is no answer to anything."""
        reader = self._reader
        try:
            answer = reader.guess(payload)
            sent = link.under_way.get(answer.stan)
            if sent is None or answer.rrn != sent.rrn or answer.amount != sent.amount:
                answer = reader.whole(payload)
                sent = link.under_way.get(answer.stan)
        except WireError:
            return None
        return None if sent is None else (sent, answer)

    def _count(self, sent: Sent, answer: Reading, now: float) -> None:
        tally = self.tally
        tally.answered += 1
        self._last = now
        tally.record(min(max(int((now - sent.intended) * 1e6), 0), LONGEST))
        tally.codes[sent.kind, answer.code] += 1
        verdict = self._source.answered(sent, answer)
        if verdict.what == "wrong":
            self._wrong(sent, answer, verdict.expected)
        elif verdict.what == "unchecked":
            tally.unchecked += 1

    def _wrong(self, sent: Sent, answer: Reading, expected: str) -> None:
        kind = sent.kind.value
        self.tally.wrong[kind] += 1
        said = f"{answer.mti.decode('ascii', 'replace')} {answer.code.decode('ascii', 'replace')}"
        example = Example(
            kind, expected, said, int(sent.amount), sent.rrn.decode(), sent.stan.decode(), sent.payer.last4
        )
        self.tally.examples.setdefault(kind, example)

    def _not_answered(self, sent: Sent) -> None:
        self.tally.unanswered += 1
        self._source.unanswered(sent)

    def _give_up(self, link: _Link, before: float) -> None:
        """What was sent before that moment gets no answer any more; the oldest come first."""
        while link.under_way:
            stan, sent = next(iter(link.under_way.items()))
            if sent.intended >= before:
                break
            del link.under_way[stan]
            self._not_answered(sent)
            if self._plan.under_way:
                self._send(link, perf_counter())
        link.flush()

    def link_lost(self, link: _Link) -> None:
        """Its messages stay unanswered; the other links go on."""
        if self._closing:
            return
        self.tally.links_lost += 1
        self._links.remove(link)
        for sent in link.under_way.values():
            self._not_answered(sent)
        if not self._links:
            self._finish()

    # ------------------------------------------------------------------ ending

    def _stop_sending(self) -> None:
        """Enough, or time is up: only answers are still waited for, and not for ever."""
        if self._more:
            self._more = False
            self._loop.call_later(self._plan.wait_seconds, self._finish)
        self._finish_if_done()

    def _finish_if_done(self) -> None:
        if not self.waiting:
            self._finish()

    def _finish(self) -> None:
        self._more = False
        if not self._done.done():
            self._done.set_result(None)


def _cpu_seconds() -> float:
    """That this process has used, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _gaps(plan: Plan) -> Callable[[float], float]:
    """Seconds from one message to the next, by the seconds that have passed since the first."""
    random = Random(plan.seed)
    more = (plan.to - plan.rate) / plan.seconds if plan.to else 0.0
    if plan.arrivals == "even":
        return lambda passed: 1 / (plan.rate + more * passed)
    drawn = _exponential(random)
    return lambda passed: next(drawn) / (plan.rate + more * passed)


def _exponential(random: Random) -> Iterator[float]:
    while True:
        yield random.expovariate(1.0)
