"""A third party's loop: run by an interpreter that has iso8583sim, so it imports nothing of ours and nothing else.

`PYTHON bench/mockloop.py` reads a line of JSON, {"port": …, "loop": "bytes" or "client", "connections": …, "in_flight": …,
"seconds": …, "first_stan": …, "pans": […], "expiry": "YYMM", "currency": "985"}, and prints one. Each connection keeps
`in_flight` requests under way; an answer brings the next. "bytes" sends what iso8583sim has encoded beforehand, and reads DE11
and DE39 of the answer; "client" is iso8583sim's own `run_load`, which encodes and decodes every message.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from typing import Any

from iso8583sim.core.samples import sample_message
from iso8583sim.net import ISO8583Client, run_load
from iso8583sim.wire import WireFormat, encode_message

STANS = 999_999
MARK = "987654"
WIDTHS = {3: 6, 4: 12, 7: 10, 11: 6, 12: 6, 13: 4, 14: 4, 18: 4, 22: 3, 24: 3, 25: 2, 37: 12, 38: 6, 39: 2}
"""Characters of the fields that may stand before DE39 in an answer; DE2 is 2 and as many as those say."""


def message(asked: dict[str, Any], number: int, stan: str) -> Any:
    """What `iso8583sim load` sends, of one of our cards and in its currency."""
    found = sample_message(pan=asked["pans"][number % len(asked["pans"])], currency=asked["currency"], stan=stan)
    found.fields[14] = asked["expiry"]
    return found


def frames(asked: dict[str, Any]) -> Any:
    """Endless (STAN, frame)."""
    halves = []
    for number in range(len(asked["pans"])):
        payload = encode_message(message(asked, number, MARK), WireFormat.ascii_binary())
        halves.append((len(payload).to_bytes(2, "big") + payload).split(MARK.encode()))
    for number in itertools.count(asked["first_stan"]):
        before, after = halves[number % len(halves)]
        stan = b"%06d" % (number % STANS + 1)
        yield stan, before + stan + after


def places(bitmap: bytes) -> tuple[int, int]:
    """Where DE11 and DE39 stand in an answer with a PAN of 16 digits and this bitmap."""
    bits, at, found = int.from_bytes(bitmap, "big"), 4 + 8, {}
    for field in range(2, 40):
        if bits >> (64 - field) & 1:
            found[field] = at
            at += 18 if field == 2 else WIDTHS[field]
    return found[11], found[39]


class Link(asyncio.Protocol):
    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.rest = b""
        self.sent: dict[bytes, float] = {}

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.loop.lost(exc)

    def send(self, count: int) -> None:
        now = time.perf_counter()
        outgoing = []
        for stan, frame in itertools.islice(self.loop.frames, count):
            self.sent[stan] = now
            outgoing.append(frame)
        self.transport.write(b"".join(outgoing))

    def data_received(self, data: bytes) -> None:
        data, at, answers, now = self.rest + data, 0, 0, time.perf_counter()
        while len(data) - at >= 2 and len(data) - at >= 2 + (size := int.from_bytes(data[at : at + 2], "big")):
            self.loop.answered(self.sent, data[at + 2 : at + 2 + size], now)
            at += 2 + size
            answers += 1
        self.rest = data[at:]
        if now < self.loop.end and answers:
            self.send(answers)
        elif not self.sent:
            self.loop.drained(self)


class Loop:
    def __init__(self, asked: dict[str, Any]) -> None:
        self.asked = asked
        self.frames = frames(asked)
        self.codes: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.places: dict[bytes, tuple[int, int]] = {}
        self.links: set[Link] = set()

    def answered(self, sent: dict[bytes, float], payload: bytes, now: float) -> None:
        bitmap = payload[4:12]
        if bitmap not in self.places:
            self.places[bitmap] = places(bitmap)
        stan, code = self.places[bitmap]
        self.latencies.append(now - sent.pop(payload[stan : stan + 6]))
        self.codes[payload[code : code + 2].decode()] += 1

    def drained(self, link: Link) -> None:
        self.links.discard(link)
        if not self.links and not self.done.done():
            self.done.set_result(None)

    def lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the host closed a link"))

    async def run(self) -> None:
        running = asyncio.get_running_loop()
        self.done = running.create_future()
        for _ in range(self.asked["connections"]):
            _, link = await running.create_connection(lambda: Link(self), "127.0.0.1", self.asked["port"])
            self.links.add(link)
        self.begun = time.perf_counter()
        self.end = self.begun + self.asked["seconds"]
        for link in list(self.links):
            link.send(self.asked["in_flight"])
        await self.done


async def by_bytes(asked: dict[str, Any]) -> tuple[float, Counter[str], list[float]]:
    loop = Loop(asked)
    await loop.run()
    return time.perf_counter() - loop.begun, loop.codes, loop.latencies


async def by_client(asked: dict[str, Any]) -> tuple[float, Counter[str], list[float]]:
    """`run_load` ends by a count: so in rounds, until the time is over."""
    codes: Counter[str] = Counter()
    latencies: list[float] = []
    seconds, first = 0.0, asked["first_stan"]
    while seconds < asked["seconds"]:
        begins = first + len(latencies)
        report = await run_load(
            lambda: ISO8583Client("127.0.0.1", asked["port"]),
            count=max(1_000, asked["connections"] * asked["in_flight"] * 20),
            concurrency=asked["connections"] * asked["in_flight"],
            connections=asked["connections"],
            make_message=lambda i, begins=begins: message(asked, begins + i, f"{(begins + i) % STANS + 1:06d}"),
        )
        codes += report.response_codes + Counter(timeout=report.timeouts, error=report.errors)
        latencies += [each / 1000 for each in report.latencies_ms]
        seconds += report.duration_s
    return seconds, codes, latencies


def main() -> None:
    asked = json.loads(sys.stdin.readline())
    cpu = time.process_time()
    seconds, codes, latencies = asyncio.run((by_bytes if asked["loop"] == "bytes" else by_client)(asked))
    latencies.sort()
    p50, p99 = (latencies[int(len(latencies) * part)] * 1000 for part in (0.5, 0.99))
    used = time.process_time() - cpu
    print(json.dumps({"seconds": seconds, "codes": codes, "p50_ms": p50, "p99_ms": p99, "cpu_seconds": used}))


if __name__ == "__main__":
    main()
