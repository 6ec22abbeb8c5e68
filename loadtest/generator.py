"""Puts load on an ISO 8583 host over many links, in one process, on uvloop.

Open loop: messages are due on a schedule that no answer can delay, and latency counts from the moment a message was
due; so a host that stalls cannot hide its queue. Closed loop: a fixed number under way on each link, each answer brings
the next message; latency counts from sending. Bounded in time and in number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from random import Random
from time import perf_counter
from typing import Literal, cast

from msgspec import Struct

from loadtest.fast import AnswerReader, Reading
from loadtest.histogram import Histogram
from loadtest.report import Result, latency
from loadtest.traffic import Sent, Source
from loadtest.wire import Cutter, WireError

TICK_SECONDS = 0.001
"""Timers of uvloop count milliseconds; a shorter wait would be a busy loop."""
ANSWERS = {b"0100": b"0110", b"0101": b"0110", b"0400": b"0410", b"0401": b"0410"}


class Plan(Struct, frozen=True, kw_only=True):
    """`rate`: messages a second, open loop; `under_way`: messages on each link, closed loop; one of the two is 0.

    `most`: stop after so many; `arrivals`: of the open loop, exponential gaps or equal ones; `wait_seconds`: for the
    last answers; `expect`: "none" takes anything that carries the STAN back for an answer, such as an echo.
    """

    links: int
    seconds: float
    most: int
    rate: float = 0.0
    under_way: int = 0
    arrivals: Literal["poisson", "even"] = "poisson"
    wait_seconds: float = 10.0
    expect: Literal["answer", "none"] = "answer"
    seed: int = 1


class Tally:
    """What is counted while it runs; `fresh`: latencies since it was last taken."""

    def __init__(self) -> None:
        self.sent = self.answered = self.garbled = self.wrong = self.links_lost = 0
        self.all = Histogram()
        self.fresh = Histogram()
        self.late = Histogram()
        self.codes: dict[tuple[str, bytes], int] = {}

    def take_fresh(self) -> Histogram:
        taken, self.fresh = self.fresh, Histogram()
        return taken

    def by_kind(self) -> dict[str, dict[str, int]]:
        kinds: dict[str, dict[str, int]] = {}
        for (kind, code), count in self.codes.items():
            kinds.setdefault(str(kind), {})[code.decode("ascii", "replace")] = count
        return kinds


class _Link(asyncio.Protocol):
    """One connection: messages under way on it by STAN, and what leaves at the end of this turn."""

    def __init__(self, generator: Generator) -> None:
        self.under_way: dict[bytes, Sent] = {}
        self._generator = generator
        self._cutter = Cutter()
        self._outgoing: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - however it was lost, it is
        self._transport = None
        self._generator.link_lost(self)

    def data_received(self, data: bytes) -> None:
        for payload in self._cutter.cut(data):
            self._generator.received(self, payload)
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
    """One run: built, then `run` once."""

    def __init__(self, plan: Plan, source: Source) -> None:
        assert bool(plan.rate) != bool(plan.under_way)
        self.tally = Tally()
        self._plan = plan
        self._source = source
        self._reader = AnswerReader()
        self._links: list[_Link] = []
        self._turn = self._unanswered = 0
        self._more = True
        self._closing = False
        self._patience: asyncio.TimerHandle | None = None
        self._gaps = _gaps(plan)

    @property
    def waiting(self) -> int:
        """Messages under way."""
        return sum(len(link.under_way) for link in self._links)

    async def run(
        self, host: str, port: int, progress: Callable[[Generator], None] | None = None, every: float = 5.0
    ) -> Result:
        """Raises OSError when nobody listens. `progress` is called every `every` seconds."""
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        for _ in range(self._plan.links):
            _, link = await self._loop.create_connection(lambda: _Link(self), host, port)
            self._links.append(link)
        self._begun = self._last = perf_counter()
        self._due = self._begun
        reporting = self._loop.create_task(_report(self, progress, every)) if progress else None
        if self._plan.rate:
            self._tick()
        else:
            self._fill()
        try:
            await self._finished()
        finally:
            if reporting is not None:
                reporting.cancel()
        return self._result()

    async def _finished(self) -> None:
        """Until all is sent and answered, or the time for the last answers is over; then the links are closed."""
        end = self._loop.call_later(self._plan.seconds, self._stop_sending)
        await self._done
        end.cancel()
        if self._patience is not None:
            self._patience.cancel()
        self._unanswered += self.waiting
        self._closing = True
        for link in self._links:
            link.close()

    # ------------------------------------------------------------------ sending

    def _tick(self) -> None:
        """Send what is due by now."""
        now = perf_counter()
        while self._more and self._links and self._due <= now:
            self.tally.late.record(int((now - self._due) * 1e6))
            self._send(self._next_link(), self._due)
            self._due += next(self._gaps)
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
        link.put(sent)

    # ------------------------------------------------------------------ receiving

    def received(self, link: _Link, payload: bytes) -> None:
        now = perf_counter()
        try:
            answer = self._reader.read(payload)
            sent = link.under_way.pop(answer.stan)
        except (WireError, KeyError):  # KeyError: an answer nobody asked for
            self.tally.garbled += 1
            return
        self._count(sent, answer, now)
        if self._plan.under_way:
            self._send(link, now)
        elif not self._more:
            self._finish_if_done()

    def _count(self, sent: Sent, answer: Reading, now: float) -> None:
        tally = self.tally
        tally.answered += 1
        self._last = now
        microseconds = int((now - sent.intended) * 1e6)
        tally.all.record(microseconds)
        tally.fresh.record(microseconds)
        key = (sent.kind, answer.code)
        tally.codes[key] = tally.codes.get(key, 0) + 1
        as_it_had_to = self._source.answered(sent, answer)
        if self._plan.expect == "answer" and not (as_it_had_to and answer.mti == ANSWERS[sent.frame[2:6]]):
            tally.wrong += 1

    def link_lost(self, link: _Link) -> None:
        """Its messages stay unanswered; the other links go on."""
        if self._closing:
            return
        self.tally.links_lost += 1
        self._unanswered += len(link.under_way)
        self._links.remove(link)
        if not self._links:
            self._finish()

    # ------------------------------------------------------------------ ending

    def _stop_sending(self) -> None:
        """Enough, or time is up: only answers are still waited for, and not for ever."""
        if self._more:
            self._more = False
            self._patience = self._loop.call_later(self._plan.wait_seconds, self._finish)
        self._finish_if_done()

    def _finish_if_done(self) -> None:
        if not self.waiting:
            self._finish()

    def _finish(self) -> None:
        self._more = False
        if not self._done.done():
            self._done.set_result(None)

    def _result(self) -> Result:
        tally, seconds = self.tally, max(self._last - self._begun, 1e-9)
        return Result(
            seconds=seconds, sent=tally.sent, answered=tally.answered, per_second=tally.answered / seconds,
            unanswered=self._unanswered, garbled=tally.garbled, wrong=tally.wrong, links_lost=tally.links_lost,
            latency=latency(tally.all), late_p99=tally.late.at(99), codes=tally.by_kind(),
        )  # fmt: skip


def _gaps(plan: Plan) -> Iterator[float]:
    """Seconds between one message and the next."""
    random = Random(plan.seed)
    while True:
        yield random.expovariate(plan.rate) if plan.arrivals == "poisson" else 1 / plan.rate


async def _report(generator: Generator, progress: Callable[[Generator], None], every: float) -> None:
    while True:
        await asyncio.sleep(every)
        progress(generator)
