"""Mutated frames, half frames and TLS garbage at the listeners of a running engine, while a good link goes on being answered.

The test beside it does so for some rounds; `make fuzzlinks` for as long as it is told. What was sent follows from the seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from e2e_bank import Bank
from e2e_dialects import SPEECHES
from e2e_process import EngineProcess, free_port
from e2e_wire import Fields, decode, encode, framed
from tls_files import Authority, client_context

LINKS = 8
"""Attackers at once."""
FRAMES = 40
"""Most frames of one attack."""
PAY_SECONDS = 0.01
"""Between two payments of the good link."""
PATIENCE = 0.05
"""Seconds an attacker waits for whatever comes back, before it goes on."""


class Target(NamedTuple):
    """One listener under attack. `tls`: how to get in where a certificate is needed."""

    port: int
    dialect: str
    tls: ssl.SSLContext | None = None


def start_engine(folder: Path) -> tuple[EngineProcess, list[Target]]:
    """An engine with a listener for each dialect, one that demands MACs, one of mutual TLS, one with small limits."""
    ours, theirs = Authority(folder, "ours"), Authority(folder, "theirs")
    (cert, key), peer = ours.sign("server", "switch", "127.0.0.1"), theirs.sign("bank", "bank-a")
    rows = {name: [f"dialect={name}"] for name in SPEECHES}
    rows["signed"] = ["mac=required"]
    rows["small"] = ["max_in_flight=2", "messages_per_second=500", "burst=5", "max_frame=300", "frame_seconds=0.2"]
    tls = f'{{cert="{cert}", key="{key}", client_ca="{theirs.file}", client_names=["bank-a"]}}'
    rows["secret"] = [f"tls={tls}", "frame_seconds=0.2"]
    ports = {name: free_port() for name in rows}
    words = [f"listeners.{name}.{word}" for name, more in rows.items() for word in (f"port={ports[name]}", *more)]
    targets = [Target(port, name if name in SPEECHES else "iso87-ascii") for name, port in ports.items()]
    targets.append(Target(ports["secret"], "iso87-ascii", client_context(ours.file, peer)))
    return EngineProcess(folder / "data", *words).start(), targets


class Siege:
    """All attackers, and the one that must not notice. Mutated messages are about the first of `cards`, payments about the
    others."""

    def __init__(self, bank: Bank, targets: list[Target], seed: int) -> None:
        self._random = random.Random(seed)
        self._bank = bank
        self._targets = targets
        self._victim, *self._good = self.cards = [bank.issue("prepaid-bps") for _ in range(10)]
        self.attacks: Counter[str] = Counter()
        self.paid = 0

    async def run(self, rounds: int) -> None:
        """`rounds` attacks by each attacker. Raises AssertionError when the good link is not answered as it should be."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._bank.engine.port)
        attackers = [asyncio.create_task(self._attack(rounds)) for _ in range(LINKS)]
        while not all(attacker.done() for attacker in attackers):
            await self._pay(reader, writer)
            await asyncio.sleep(PAY_SECONDS)
        await asyncio.gather(*attackers)
        await self._pay(reader, writer)
        writer.close()

    async def _pay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message = self._good[self.paid % len(self._good)].message(1)
        writer.write(framed(encode(message)))
        async with asyncio.timeout(20):
            answer = decode(await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big")))
        assert (answer["39"], answer["11"]) == ("00", message["11"])
        self.paid += 1

    async def _attack(self, rounds: int) -> None:
        for _ in range(rounds):
            target = self._random.choice(self._targets)
            with contextlib.suppress(OSError, TimeoutError):  # that we are cut is what should happen
                async with asyncio.timeout(5):
                    await self._throw(target)

    async def _throw(self, target: Target) -> None:
        name, make = list(ATTACKS.items())[self.attacks.total() % len(ATTACKS)]
        self.attacks[name] += 1
        message = self._message(target)
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port, ssl=target.tls)
        try:
            for piece in make(self._random, message):
                writer.write(piece)
                await asyncio.sleep(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(65_536), PATIENCE)
        finally:
            self._random.choice((writer.close, writer.transport.abort))()

    def _message(self, target: Target) -> bytes:
        message = self._victim.message(self._random.choice((1, 5_00)))
        fields: Fields = self._random.choice(
            (
                message,
                self._victim.reversal(message),
                {"t": "0800", "7": message["7"], "11": message["11"], "70": "301"},
            )
        )
        if target.dialect == "moov87-wide":  # has no DE70
            fields = message
        return SPEECHES[target.dialect].encode(fields)


def _mutated(chance: random.Random, message: bytes) -> bytes:
    """Some bytes of it changed, left out, put in or said twice."""
    data = bytearray(message)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0 if place < len(data):
                data[place] ^= 1 << chance.randrange(8)
            case 1:
                del data[place : place + chance.randint(1, 8)]
            case 2:
                data[place:place] = chance.randbytes(chance.randint(1, 8))
            case 3:
                data[place:place] = data[place : place + chance.randint(1, 40)]
            case _ if place < len(data):
                data[place] = chance.choice(b"\x00\xff09AF \x7f")
    return bytes(data[:4000])


def _frames(chance: random.Random, message: bytes) -> Iterable[bytes]:
    for _ in range(chance.randint(1, FRAMES)):
        yield framed(_mutated(chance, message))


def _pieces(chance: random.Random, message: bytes) -> Iterable[bytes]:
    """Good frames, cut anywhere, the last one never whole."""
    stream = framed(message) * chance.randint(2, 5)
    stream = stream[: -chance.randint(1, len(message))]
    while stream:
        size = chance.randint(1, 60)
        yield stream[:size]
        stream = stream[size:]


def _lying_lengths(chance: random.Random, message: bytes) -> Iterable[bytes]:
    for _ in range(chance.randint(1, 5)):
        yield framed(message)
        yield chance.choice((len(message) + chance.randint(-9, 9), 0, 65_535, 4_097)).to_bytes(2, "big") + message


def _flood(chance: random.Random, message: bytes) -> Iterable[bytes]:
    """Thousands of tiny frames in one write."""
    yield chance.choice((b"\x00\x01x", b"\x00\x00", framed(message[:4]))) * 20_000


def _noise(chance: random.Random, _message: bytes) -> Iterable[bytes]:
    yield chance.randbytes(chance.randint(0, 5_000))


def _hello(chance: random.Random, _message: bytes) -> Iterable[bytes]:
    """The first words of TLS: whole, cut or changed; then silence or noise."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    yield chance.choice((hello, hello[: chance.randrange(len(hello))], _mutated(chance, hello)))
    yield chance.choice((b"", chance.randbytes(50), hello))


def _good(_chance: random.Random, message: bytes) -> Iterable[bytes]:
    """Nothing wrong with it; but it is gone before its answer."""
    yield framed(message)


ATTACKS: dict[str, Callable[[random.Random, bytes], Iterable[bytes]]] = {
    "mutated frames": _frames,
    "pieces": _pieces,
    "lying lengths": _lying_lengths,
    "flood": _flood,
    "noise": _noise,
    "hello": _hello,
    "good, and gone": _good,
}


def main(minutes: float, seed: int) -> None:
    """Rounds until the time is over; the seed of each is said, so that it can be done again."""
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it tells of every write to a link that was cut
    with tempfile.TemporaryDirectory() as folder:
        engine, targets = start_engine(Path(folder))
        bank = Bank(engine)
        loop = asyncio.new_event_loop()
        until = loop.time() + 60 * minutes
        while loop.time() < until:
            siege = Siege(bank, targets, seed)
            loop.run_until_complete(siege.run(200))
            assert "fault" not in engine.said(), engine.said()[-5_000:]
            print(f"seed {seed}: {sum(siege.attacks.values())} attacks, {siege.paid} payments answered", flush=True)
            seed += 1
        bank.close()
        engine.stop()


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
