"""What the load tester is judged by: a host that is paused shows, and planted wrong answers are counted. A real engine."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from authsvc.codec.dialects import DIALECTS
from authsvc.codec.framing import FRAMINGS, FrameReader, frame
from loadtest import accounts, mix
from loadtest.__main__ import DEMO_MIX, Target, run
from loadtest.engine import HOST, PrivateEngine, free_ports
from loadtest.fast import Wire
from loadtest.generator import Plan
from loadtest.messages import Card, zone_key
from loadtest.traffic import payers_of

ZONE = zone_key(Path(__file__).parents[2] / "config/keys/demo.toml")
MIX = mix.load(DEMO_MIX)
ASCII = DIALECTS["iso87-ascii"]
SMALL = mix.load(Path(__file__).parent / "small.toml")
OTHERS = {"iso87-bcd": "2b", "iso87-ebcdic": "4a", "iso87-ascii-binary": "4b", "moov87-wide": "4a"}
PORTS = dict(zip(OTHERS, free_ports(len(OTHERS)), strict=True))
PLAN = Plan(links=4, seconds=30.0, most=1_500, under_way=4)

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning:psec")


@pytest.fixture(scope="module")
def engine() -> Iterator[PrivateEngine]:
    """With a listener for each of the other dialects."""
    settings = [
        f"listeners.{name}.{key}={value}"
        for name, framing in OTHERS.items()
        for key, value in (("port", PORTS[name]), ("dialect", name), ("framing", framing))
    ]
    with PrivateEngine(settings=tuple(settings)) as started:
        yield started


@pytest.fixture(scope="module")
def cards(engine: PrivateEngine) -> list[Card]:
    return accounts.prepare(engine.api, MIX.accounts, "judging", 120, lambda _: None)


@asynccontextmanager
async def proxy(port: int, every: int) -> AsyncIterator[tuple[int, list[str]]]:
    """Passes everything on, but changes DE39 of each `every`th answer. Yields its port and what it has changed."""
    changed: list[str] = []
    count = 0

    def back(payload: bytes) -> bytes:
        nonlocal count
        count += 1
        if count % every:
            return payload
        fields = ASCII.decode(payload)
        changed.append(fields["11"])
        return ASCII.encode({**fields, "39": "51" if fields["39"] != "51" else "00"})

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lies: bool) -> None:
        cutter = FrameReader()
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                for payload in cutter.receive_data(data):
                    writer.write(frame(back(payload) if lies else payload))
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_host, to_host = await asyncio.open_connection(HOST, port)
        await asyncio.gather(pass_on(reader, to_host, False), pass_on(from_host, writer, True))

    server = await asyncio.start_server(serve, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1], changed


async def test_each_planted_wrong_answer_is_counted_and_no_other(engine: PrivateEngine, cards: list[Card]) -> None:
    """Through a proxy that changes DE39 now and then, as many are wrong as it changed, each kind with an example; without it
    none is. After a lie the model keeps both possibilities of that card, so a second one about it may pass: one in twenty."""
    for lies in (True, False):
        payers = payers_of(cards, ZONE, accounts.looked_up(engine.api, MIX.accounts, cards))
        async with proxy(engine.iso_port, 25 if lies else 10**9) as (port, changed):
            result = await run(Target(HOST, port, ZONE), PLAN, MIX, payers)
        assert len(changed) == (1_500 // 25 if lies else 0)
        assert len(changed) * 0.95 <= result.wrong <= len(changed)
        assert set(result.examples) == set(result.wrong_by_kind)
        assert result.unanswered == result.garbled == 0


async def test_a_host_that_is_paused_for_a_second_shows(engine: PrivateEngine, cards: list[Card]) -> None:
    """SIGSTOP: in the open loop what was due meanwhile waited, up to the whole second; so p99 is near it."""
    plan = Plan(links=4, seconds=3.0, most=10_000, rate=100.0, arrivals="even")
    payers = payers_of(cards, ZONE, accounts.looked_up(engine.api, MIX.accounts, cards))
    running = asyncio.create_task(run(Target(HOST, engine.iso_port, ZONE), plan, MIX, payers))
    await asyncio.sleep(1.0)
    os.kill(engine.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(1.0)
    finally:
        os.kill(engine.pid, signal.SIGCONT)
    result = await running
    assert result.answered == result.sent
    assert result.wrong == 0
    assert result.latency.p99 > 850_000
    assert max(second.max for second in result.timeline) > 900_000


@pytest.mark.parametrize(
    ("dialect", "product"),
    [
        ("iso87-bcd", "prepaid-sgb"),
        ("iso87-ebcdic", "prepaid-bps"),
        ("iso87-ascii-binary", "prepaid-sgb"),
        ("moov87-wide", "credit-business"),
    ],
)
async def test_every_dialect_and_every_limit(engine: PrivateEngine, dialect: str, product: str) -> None:
    """Small limits and little money, so that every rule refuses now and then; the model and the engine agree throughout."""
    is_credit = product == "credit-business"
    money = {"load": 0, "credit_limit": 90_000} if is_credit else {}
    wanted = replace(SMALL.accounts, product=product, **money)
    cards = accounts.prepare(engine.api, wanted, f"small-{dialect}", 60, lambda _: None)
    payers = payers_of(cards, ZONE, accounts.looked_up(engine.api, wanted, cards))
    target = Target(HOST, PORTS[dialect], ZONE, Wire(DIALECTS[dialect], FRAMINGS[OTHERS[dialect]]))
    result = await run(target, Plan(links=2, seconds=30.0, most=1_500, under_way=4), SMALL, payers)
    assert (result.answered, result.wrong, result.garbled, result.unchecked) == (1_500, 0, 0, 0), result.examples
    codes = {code for codes in result.codes.values() for code in codes}
    assert {"00", "55"} < codes
    assert codes & {"51", "61"}  # which of the two comes first is a matter of who is answered first
