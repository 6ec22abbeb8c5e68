"""The generator against hosts that misbehave: everything that goes wrong is counted as what it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from loadtest import mix
from loadtest.__main__ import DEMO_MIX
from loadtest.fast import ASCII
from loadtest.generator import Generator, Plan
from loadtest.messages import Card, luhn, zone_key
from loadtest.report import Result
from loadtest.traffic import Clock, Templates, Traffic, payers_of
from loadtest.wire import Cutter, Fields, decode, encode, frame

KEYS = Path(__file__).parents[2] / "config/keys/demo.toml"
ZONE = zone_key(KEYS)
CARDS = [Card(luhn(f"418039{number:09}"), "4912", "1234") for number in range(64)]
ECHOED = ("2", "3", "4", "7", "11", "32", "37")
Host = Callable[[int, Fields], bytes | list[bytes] | None]
"""The number of a message and its fields → payloads to send back, b"" to close the link, None for silence."""

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning:psec")


def answer(fields: Fields, code: str = "00", **changed: str) -> bytes:
    echoed = {field: fields[field] for field in ECHOED}
    mti = {"t": f"0{fields['t'][1]}{int(fields['t'][2]) + 1}0"}
    return encode(
        {**mti, **echoed, "38": fields["11"], "39": code, **{name[1:]: value for name, value in changed.items()}}
    )


@asynccontextmanager
async def listening(host: Host) -> AsyncIterator[int]:
    """A host on a port of its own."""
    count, links = 0, set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        links.add(asyncio.current_task())
        cutter = Cutter()
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                for payload in cutter.cut(data):
                    count += 1
                    back = host(count, decode(payload))
                    if back == b"":
                        writer.close()
                        return
                    for each in [back] if isinstance(back, bytes) else back or []:
                        writer.write(frame(each))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.wait(links)


async def run(host: Host, **plan: object) -> Result:
    """Without the model: these hosts approve everything."""
    usual = {"links": 2, "seconds": 30.0, "most": 400, "wait_seconds": 1.0, "under_way": 8, "expect": "basic"}
    asked = Plan(**{**usual, **plan})
    payers = payers_of(CARDS, ZONE)
    traffic = Traffic(mix.load(DEMO_MIX), payers, Clock(0), 1, Templates(ASCII, ZONE), asked.expect)
    async with listening(host) as port:
        return await Generator(asked, traffic).run("127.0.0.1", port)


def found(result: Result) -> tuple[int, int, int, int]:
    return result.unanswered, result.garbled, result.wrong, result.links_lost


def every_tenth(other: Callable[[Fields], bytes | None]) -> Host:
    return lambda number, fields: other(fields) if number % 10 == 0 else answer(fields)


async def test_a_host_that_answers_everything_is_clean() -> None:
    """Four hundred messages, four hundred answers, closed loop and open."""
    for plan in (
        {"under_way": 8},
        {"under_way": 0, "rate": 4_000.0},
        {"under_way": 0, "rate": 4_000.0, "arrivals": "even"},
    ):
        result = await run(lambda _, fields: answer(fields), wait_seconds=5.0, **plan)
        assert (result.sent, result.answered, found(result)) == (400, 400, (0, 0, 0, 0))
        assert result.clean
        assert sum(sum(codes.values()) for codes in result.codes.values()) == 400


async def test_silence_is_unanswered() -> None:
    """One in ten is never answered; the run ends all the same."""
    result = await run(every_tenth(lambda _: None), under_way=0, rate=4_000.0)
    assert found(result) == (40, 0, 0, 0)
    assert not result.clean


@pytest.mark.parametrize(
    "back",
    [
        lambda fields: answer(fields)[:-1],
        lambda fields: answer(fields) + b"?",
        lambda _: b"HTTP/1.1 400 Bad Request",
        lambda fields: answer(fields, _11="999999"),
    ],
)
async def test_what_is_no_answer_to_anything_is_garbled(back: Callable[[Fields], bytes]) -> None:
    """Cut short, too long, another protocol, an unknown STAN: garbled, and its message unanswered."""
    result = await run(every_tenth(back), under_way=0, rate=4_000.0)
    assert found(result) == (40, 40, 0, 0)


async def test_another_mti_is_wrong() -> None:
    """A response of the wrong kind is no right answer, even with the right STAN."""
    result = await run(every_tenth(lambda fields: answer(fields, _t="0810")), wait_seconds=5.0)
    assert found(result) == (0, 0, 40, 0)


async def test_a_repeat_that_gets_another_answer_is_wrong() -> None:
    """The planted fault: repeats are answered 05 by a host that answered 00 before."""
    repeats = 0

    def host(_: int, fields: Fields) -> bytes:
        nonlocal repeats
        is_repeat = fields["t"][3] == "1"
        repeats += is_repeat
        return answer(fields, "05" if is_repeat else "00")

    result = await run(host, wait_seconds=5.0)
    assert repeats > 0
    assert found(result) == (0, 0, repeats, 0)


async def test_a_lost_link_is_counted_and_the_others_go_on() -> None:
    """The link that is closed loses what was under way on it; the other one finishes."""
    result = await run(lambda number, fields: b"" if number == 100 else answer(fields), wait_seconds=5.0)
    assert result.links_lost == 1
    assert result.sent == 400
    assert result.answered + result.unanswered == 400


async def test_when_all_links_are_lost_the_run_ends() -> None:
    """Nothing waits for a host that has gone."""
    result = await run(lambda *_: b"", wait_seconds=5.0)
    assert (result.links_lost, result.answered, result.unanswered) == (2, 0, 16)


async def test_an_echo_is_an_answer_when_nothing_else_is_expected() -> None:
    """For hosts whose answers nobody knows: the STAN has to come back, no more."""
    result = await run(lambda _, fields: encode(fields), expect="none", wait_seconds=5.0)
    assert (result.answered, result.clean) == (400, True)


async def test_latency_counts_from_the_moment_a_message_was_due() -> None:
    """A host that stalls cannot hide its queue: what was due meanwhile has waited too."""
    held: list[bytes] = []

    def host(number: int, fields: Fields) -> bytes | list[bytes] | None:
        held.append(answer(fields))
        if number < 200:
            return None
        return held if number == 200 else answer(fields)

    result = await run(host, under_way=0, rate=1_000.0, arrivals="even", links=1, wait_seconds=5.0)
    assert result.clean
    assert result.latency.max > 100_000  # the first was due 0.2 s before its answer
    assert result.latency.p50 > 1_000  # half of the messages waited
