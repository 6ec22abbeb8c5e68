"""Links over real sockets on loopback, with a handler of a few lines in place of the pipeline."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from engine_parts import until
from prometheus_client import CollectorRegistry

from authsvc.codec.framing import frame
from authsvc.config import LimitsConfig, ListenerConfig
from authsvc.link import WRITE_BUFFER, LinkProtocol, framing_of
from authsvc.metrics import Metrics
from authsvc.server import A_TURN, FEW, Server


class Gate:
    """A handler that answers each payload with "answer to PAYLOAD" once `open` is set. What is "nothing" cannot be
    answered, "big" has a long answer, "fault" is a bug of ours, "worse" one whose fault cannot be answered either, "worst"
    one where another bug answers it."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.begun: list[bytes] = []

    async def handle(self, _link: LinkProtocol, payload: bytes) -> bytes | None:
        self.begun.append(payload)
        await self.open.wait()
        if payload in (b"fault", b"worse", b"worst"):
            raise ValueError(payload)
        if payload == b"big":
            return bytes(60_000)
        return None if payload == b"nothing" else b"answer to " + payload

    def fault(self, _link: LinkProtocol, payload: bytes) -> bytes | None:
        if payload == b"worst":
            raise ZeroDivisionError
        return b"sorry" if payload == b"fault" else None


class Peer:
    """The other end of a link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def send(self, *payloads: bytes) -> None:
        self.writer.write(b"".join(map(frame, payloads)))

    async def receive(self) -> bytes:
        async with asyncio.timeout(10):
            size = int.from_bytes(await self._reader.readexactly(2), "big")
            return await self._reader.readexactly(size)

    async def ask(self, payload: bytes) -> bytes:
        self.send(payload)
        return await self.receive()

    async def is_closed(self) -> bool:
        try:
            async with asyncio.timeout(10):
                return await self._reader.read(1) == b""
        except ConnectionResetError:
            return True


class Stand:
    """A server with its handler and metrics."""

    def __init__(self, in_flight_limit: int) -> None:
        self.gate = Gate()
        self.metrics = Metrics(CollectorRegistry(), products=(), listeners=("main",))
        self.server = Server(self.gate, self.metrics, LimitsConfig(in_flight=in_flight_limit), sweep_seconds=0.02)
        self.port = 0

    async def connect(self) -> Peer:
        return Peer(*await asyncio.open_connection("127.0.0.1", self.port))

    def count(self, name: str) -> float:
        lines = self.metrics.render().decode().splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(name))

    def refused(self, cause: str) -> float:
        return self.count(f'authsvc_frames_refused_total{{cause="{cause}",listener="main"}}')


@asynccontextmanager
async def stand(in_flight_limit: int = 100, **listener: object) -> AsyncIterator[Stand]:
    made = Stand(in_flight_limit)
    made.port = await made.server.listen("main", ListenerConfig(port=0, **listener))  # type: ignore[arg-type]
    yield made
    made.gate.open.set()
    await made.server.drain(5)


async def test_pipelined_messages_are_answered() -> None:
    async with stand() as given:
        peer = await given.connect()
        peer.send(b"one", b"two", b"three")
        assert {await peer.receive() for _ in range(3)} == {b"answer to one", b"answer to two", b"answer to three"}
        assert (given.server.messages, given.server.in_flight) == (3, 0)


async def test_answers_leave_as_they_are_ready() -> None:
    """A slow message does not keep back the one behind it."""
    async with stand() as given:
        peer = await given.connect()
        given.gate.open.clear()
        peer.send(b"slow")
        await until(lambda: given.gate.begun == [b"slow"])
        other = await given.connect()
        given.gate.open.set()
        assert await other.ask(b"x") == b"answer to x"
        assert await peer.receive() == b"answer to slow"


async def busy(given: Stand, peer: Peer) -> list[bytes]:
    """So many under way that the next ones are begun together."""
    given.gate.open.clear()
    first = [b"under way %d" % number for number in range(FEW + 1)]
    peer.send(*first)
    await until(lambda: given.gate.begun == first)
    return first


async def test_what_comes_while_others_are_under_way_is_begun_together() -> None:
    """In the next turn of the loop, in the order in which it came, whatever link it came by."""
    async with stand() as given:
        peer, _other = await given.connect(), await given.connect()
        first = await busy(given, peer)
        link, its = sorted(given.server._links, key=lambda link: -link.in_flight)
        link.data_received(frame(b"one"))
        its.data_received(frame(b"two") + frame(b"three"))
        assert given.gate.begun == first
        await asyncio.sleep(0)
        assert given.gate.begun == [*first, b"one", b"two", b"three"]


async def test_a_crowd_is_begun_in_parts() -> None:
    """So many in a turn of the loop: what is durable meanwhile is answered before all of them have been begun."""
    async with stand(max_in_flight=1000) as given:
        peer = await given.connect()
        turns: list[int] = []

        def look() -> None:
            turns.append(len(given.gate.begun))
            if not given.gate.begun or turns[-1] < 5 * A_TURN:
                asyncio.get_running_loop().call_soon(look)

        look()
        given.gate.open.clear()
        sent = [b"%d" % number for number in range(5 * A_TURN)]
        peer.send(*sent)
        await until(lambda: len(given.gate.begun) == len(sent))
        begun = [after - before for before, after in itertools.pairwise(turns)]
        assert max(begun) <= A_TURN
        assert given.gate.begun == sent
        given.gate.open.set()
        assert {await peer.receive() for _ in sent} == {b"answer to " + payload for payload in sent}


async def test_a_stop_still_answers_what_was_read_before_it() -> None:
    """More of it than one turn begins."""
    async with stand(max_in_flight=1000) as given:
        peer = await given.connect()
        await busy(given, peer)
        (link,) = given.server._links
        last = [b"%d" % number for number in range(2 * A_TURN)]
        link.data_received(b"".join(map(frame, last)))
        draining = asyncio.create_task(given.server.drain(5))
        await until(lambda: set(last) <= set(given.gate.begun))
        given.gate.open.set()
        assert await draining
        answered = {await peer.receive() for _ in range(FEW + 1 + len(last))}
        assert {b"answer to " + payload for payload in last} <= answered


async def test_a_link_takes_so_many_at_once() -> None:
    """`max_in_flight`: above it the link waits unread; answered ones make room, and all get their turn."""
    async with stand(max_in_flight=4, max_frame=100) as given:
        peer, other = await given.connect(), await given.connect()
        given.gate.open.clear()
        for number in range(20):  # one by one, or a single read would take them all
            peer.send(b"%d" % number)
            await asyncio.sleep(0.002)
        await until(lambda: len(given.gate.begun) >= 4)
        await asyncio.sleep(0.05)
        assert len(given.gate.begun) == 4
        other.send(b"other")
        await until(lambda: b"other" in given.gate.begun)
        given.gate.open.set()
        assert {await peer.receive() for _ in range(20)} == {b"answer to %d" % number for number in range(20)}
        assert await other.receive() == b"answer to other"


async def test_the_server_takes_so_many_in_all() -> None:
    """Above its limit no link is read from, a new one neither; below three quarters all are again."""
    async with stand(in_flight_limit=4) as given:
        peers = [await given.connect() for _ in range(6)]
        given.gate.open.clear()
        for peer in peers:
            peer.send(b"first")
            await asyncio.sleep(0.01)
        late = await given.connect()
        late.send(b"late")
        await until(lambda: len(given.gate.begun) == 4)
        await asyncio.sleep(0.05)
        late.send(b"later", b"and later")
        await asyncio.sleep(0.05)
        assert given.gate.begun == [b"first"] * 4
        assert given.count("authsvc_in_flight ") == 4
        given.gate.open.set()
        assert [await peer.receive() for peer in peers] == [b"answer to first"] * 6
        assert {await late.receive() for _ in range(3)} == {
            b"answer to " + word for word in (b"late", b"later", b"and later")
        }
        assert given.count("authsvc_in_flight ") == 0


async def test_a_peer_that_does_not_read_is_not_read_from() -> None:
    """Its answers pile up to a bound; its next messages wait in its own socket; when it reads, it gets all."""
    async with stand(max_in_flight=1000) as given:
        deaf, other = await given.connect(), await given.connect()
        deaf.writer.transport.set_write_buffer_limits(high=1 << 30)  # type: ignore[attr-defined]
        deaf._reader._transport.pause_reading()  # type: ignore[attr-defined]
        sent = 0
        for _ in range(300):
            deaf.send(b"big")
            sent += 1
            await asyncio.sleep(0)
        await asyncio.sleep(0.2)
        taken = len(given.gate.begun)
        assert taken * 60_000 > WRITE_BUFFER
        assert await other.ask(b"x") == b"answer to x"
        deaf._reader._transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(sent):
            assert len(await deaf.receive()) == 60_000


async def test_a_peer_that_never_reads_is_given_up() -> None:
    """After `idle_seconds` with answers that nobody takes, its link is dropped and what it held is free."""
    async with stand(max_in_flight=1000, idle_seconds=1) as given:
        deaf = await given.connect()
        deaf._reader._transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(300):
            deaf.send(b"big")
        await until(lambda: bool(given.gate.begun))
        await until(lambda: given.count('authsvc_connections{listener="main"}') == 0)
        assert given.refused("idle") == 1


async def test_a_silent_link_is_closed() -> None:
    """Not one that talks, and not one that waits for our answer."""
    async with stand(idle_seconds=1) as given:
        silent, talking, waiting = [await given.connect() for _ in range(3)]
        given.gate.open.clear()
        waiting.send(b"wait")
        for _ in range(7):
            talking.writer.write(b"\x00\x00")  # a keep-alive is a sign of life
            await asyncio.sleep(0.2)
        assert await silent.is_closed()
        assert given.refused("idle") == 1  # before the answer: from then on the one that waited is silent too
        given.gate.open.set()
        assert await waiting.receive() == b"answer to wait"
        assert await talking.ask(b"x") == b"answer to x"


async def test_a_link_may_be_silent_for_ever() -> None:
    """`idle_seconds = 0`."""
    async with stand(idle_seconds=0) as given:
        peer = await given.connect()
        await asyncio.sleep(0.2)
        assert await peer.ask(b"x") == b"answer to x"


async def test_a_frame_that_never_gets_whole() -> None:
    """One byte now and then does not keep it open."""
    async with stand(frame_seconds=0.3) as given:
        peer, other = await given.connect(), await given.connect()
        for byte in frame(b"x" * 50)[:8]:
            peer.writer.write(bytes([byte]))
            await asyncio.sleep(0.03)
        assert await peer.is_closed()
        assert await other.ask(b"x") == b"answer to x"
        assert given.refused("cut_short") >= 1


async def test_slow_frames_that_do_get_whole() -> None:
    """The time counts from the beginning of each frame, not of the link."""
    async with stand(frame_seconds=0.5) as given:
        peer = await given.connect()
        for _ in range(4):
            data = frame(b"slow")
            peer.writer.write(data[:3])
            await asyncio.sleep(0.2)
            peer.writer.write(data[3:])
            assert await peer.receive() == b"answer to slow"


@pytest.mark.parametrize("together", [True, False])
async def test_a_frame_too_long(together: bool) -> None:
    """What was whole before it is answered, then the link is closed; another link does not notice."""
    async with stand(max_frame=10) as given:
        peer, other = await given.connect(), await given.connect()
        given.gate.open.clear()
        if together:
            peer.writer.write(frame(b"before") + b"\x00\x0b12345678901")
        else:
            peer.send(b"before")
            await until(lambda: given.gate.begun == [b"before"])
            peer.writer.write(b"\x00\x0b12345678901")
        await until(lambda: given.refused("too_long") == 1)
        given.gate.open.set()
        assert await peer.receive() == b"answer to before"
        assert await peer.is_closed()
        assert await other.ask(b"x") == b"answer to x"


async def test_garbage_closes_its_link_in_the_end() -> None:
    """`garbage_limit` in a row; anything understood in between begins the count anew."""
    async with stand(garbage_limit=3) as given:
        peer = await given.connect()
        peer.send(b"nothing", b"nothing", b"x", b"nothing", b"nothing")
        assert await peer.receive() == b"answer to x"
        assert await peer.ask(b"y") == b"answer to y"
        peer.send(b"nothing", b"nothing", b"nothing")
        assert await peer.is_closed()
        assert given.refused("garbage") == 7


async def test_garbage_may_go_on_for_ever() -> None:
    """`garbage_limit = 0`."""
    async with stand(garbage_limit=0) as given:
        peer = await given.connect()
        peer.send(*[b"nothing"] * 200)
        assert await peer.ask(b"x") == b"answer to x"


async def test_a_fault_of_ours_is_answered() -> None:
    """And costs nobody the link; one that cannot be answered counts as garbage."""
    async with stand() as given:
        peer = await given.connect()
        assert await peer.ask(b"fault") == b"sorry"
        peer.send(b"worse")
        assert await peer.ask(b"x") == b"answer to x"


async def test_a_fault_of_a_fault_is_nobody_elses() -> None:
    """What was read with it is answered, the link goes on, and the loop's handler is told."""
    told: list[type] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: told.append(type(context["exception"])))
    async with stand() as given:
        peer = await given.connect()
        peer.send(b"one", b"worst", b"two")
        assert [await peer.receive() for _ in range(2)] == [b"answer to one", b"answer to two"]
        assert await peer.ask(b"x") == b"answer to x"
    assert told == [ZeroDivisionError]


async def test_a_peer_that_says_no_more_gets_its_answers() -> None:
    async with stand() as given:
        peer = await given.connect()
        given.gate.open.clear()
        peer.send(b"last")
        await until(lambda: given.gate.begun == [b"last"])
        peer.writer.write_eof()
        await asyncio.sleep(0.05)
        given.gate.open.set()
        assert await peer.receive() == b"answer to last"
        assert await peer.is_closed()


async def test_a_peer_that_leaves() -> None:
    """In the middle of a message under way, and of a frame: the link is forgotten, nothing else happens."""
    async with stand() as given:
        peer = await given.connect()
        given.gate.open.clear()
        peer.writer.write(frame(b"x") + frame(b"half")[:3])
        await until(lambda: given.gate.begun == [b"x"])
        peer.writer.transport.abort()
        await asyncio.sleep(0.05)
        given.gate.open.set()
        await until(lambda: given.count('authsvc_connections{listener="main"}') == 0)
        assert given.count("authsvc_in_flight ") == 0
        assert given.refused("cut_short") == 1


async def test_drain_answers_what_was_taken() -> None:
    """No new link, nothing more read, every message under way answered, then closed."""
    async with stand() as given:
        peer = await given.connect()
        given.gate.open.clear()
        peer.send(b"one", b"two")
        await until(lambda: len(given.gate.begun) == 2)
        draining = asyncio.create_task(given.server.drain(5))
        await asyncio.sleep(0.02)
        peer.send(b"too late")
        with pytest.raises(OSError, match=r"[Cc]onnect"):
            await given.connect()
        given.gate.open.set()
        assert await draining
        assert {await peer.receive(), await peer.receive()} == {b"answer to one", b"answer to two"}
        assert await peer.is_closed()
        assert b"too late" not in given.gate.begun


async def test_a_drain_that_takes_too_long() -> None:
    """It says so, and the links are closed all the same."""
    async with stand() as given:
        peer = await given.connect()
        given.gate.open.clear()
        peer.send(b"one")
        await until(lambda: given.gate.begun == [b"one"])
        assert not await given.server.drain(0.05)
        assert await peer.is_closed()


async def test_nothing_to_drain() -> None:
    async with stand() as given:
        peer = await given.connect()
        assert await peer.ask(b"x") == b"answer to x"
        assert await given.server.drain(5)
        assert await peer.is_closed()


@pytest.mark.parametrize(
    "settings",
    [
        {"framing": "2b"}, {"framing": "4b"}, {"framing": "2a"}, {"framing": "4a"}, {"inclusive": True}, {"vap": True},
        {"framing": "4a", "inclusive": True}, {"vap": True, "inclusive": True},
    ],
)  # fmt: skip
async def test_answers_are_framed_as_their_listener_is(settings: dict[str, object]) -> None:
    async with stand(**settings, max_frame=80) as given:
        reader, writer = await asyncio.open_connection("127.0.0.1", given.port)
        framing = framing_of(ListenerConfig(port=0, **settings))
        writer.write(frame(b"x", framing))
        expected = frame(b"answer to x", framing)
        assert await reader.readexactly(len(expected)) == expected
        writer.close()


async def test_a_tpdu_comes_back_with_its_addresses_changed_over() -> None:
    """Each answer with that of its own message, and the handler never sees it."""
    async with stand(tpdu=True) as given:
        peer = await given.connect()
        assert await peer.ask(b"\x60\x00\x01\x12\x34" + b"x") == b"\x60\x12\x34\x00\x01" + b"answer to x"
        assert await peer.ask(b"\x68\x00\x02\x00\x03" + b"y") == b"\x68\x00\x03\x00\x02" + b"answer to y"
        assert await peer.ask(b"\x60\x00\x01\x12\x34" + b"fault") == b"\x60\x12\x34\x00\x01" + b"sorry"


async def test_an_answer_above_what_its_frame_can_say_is_not_sent() -> None:
    """Two ASCII digits name 99 bytes. The link goes on, and what was decided is there for a longer one to ask."""
    async with stand(framing="2a", max_frame=99) as given:
        reader, writer = await asyncio.open_connection("127.0.0.1", given.port)
        writer.write(b"90" + b"x" * 90 + b"01y")
        assert await reader.readexactly(13) == b"11answer to y"
        writer.close()


async def test_a_link_begins_signed_on_or_not() -> None:
    """As its listener says; the state is the link's own."""
    seen = []

    class Looking(Gate):
        async def handle(self, link: LinkProtocol, payload: bytes) -> bytes | None:
            seen.append(link.signed_on)
            link.signed_on = True
            return await super().handle(link, payload)

    async with stand(require_sign_on=True) as given:
        given.server.handler = Looking()
        first, second = await given.connect(), await given.connect()
        for peer in (first, first, second):
            await peer.ask(b"x")
    assert seen == [False, True, False]


# ------------------------------------------------------------------------------------------------------------- guards


async def test_one_read_does_not_begin_more_than_a_link_may_have() -> None:
    """A thousand frames in one go: `max_in_flight` of them are begun, the others wait, and all are answered in the end."""
    async with stand(max_in_flight=4) as given:
        peer = await given.connect()
        given.gate.open.clear()
        peer.send(*[b"%d" % number for number in range(1000)])
        await until(lambda: len(given.gate.begun) >= 4)
        await asyncio.sleep(0.05)
        assert len(given.gate.begun) == 4
        given.gate.open.set()
        assert {await peer.receive() for _ in range(1000)} == {b"answer to %d" % number for number in range(1000)}


@pytest.mark.parametrize("at_once", [1, 20, 100])
async def test_a_flood_that_is_answered_at_once(at_once: int) -> None:
    """No message is begun inside of another one, however many wait for its end."""
    async with stand(max_in_flight=at_once) as given:
        peer, other = await given.connect(), await given.connect()
        flood = [b"%d" % number for number in range(3_000)]
        peer.send(*flood)
        await until(lambda: len(given.gate.begun) > 0)
        assert await other.ask(b"x") == b"answer to x"
        assert [await peer.receive() for _ in flood] == [b"answer to " + each for each in flood]


async def test_what_waits_is_answered_before_a_half_closed_link_ends() -> None:
    async with stand(max_in_flight=2) as given:
        peer = await given.connect()
        given.gate.open.clear()
        peer.send(*[b"%d" % number for number in range(20)])
        peer.writer.write_eof()
        await until(lambda: len(given.gate.begun) == 2)
        await asyncio.sleep(0.05)
        given.gate.open.set()
        assert {await peer.receive() for _ in range(20)} == {b"answer to %d" % number for number in range(20)}
        assert await peer.is_closed()


async def test_what_waits_is_answered_in_a_drain() -> None:
    """It was read, so it was taken."""
    async with stand(max_in_flight=2) as given:
        peer = await given.connect()
        given.gate.open.clear()
        peer.send(*[b"%d" % number for number in range(20)])
        await until(lambda: len(given.gate.begun) == 2)
        draining = asyncio.create_task(given.server.drain(5))
        await asyncio.sleep(0.02)
        given.gate.open.set()
        assert await draining
        assert {await peer.receive() for _ in range(20)} == {b"answer to %d" % number for number in range(20)}


async def test_a_link_that_sends_too_fast() -> None:
    """`burst` at once, then `messages_per_second`: the rest waits unread, nothing is lost, another link is not slowed."""
    async with stand(messages_per_second=200, burst=10) as given:
        fast, other = await given.connect(), await given.connect()
        fast.send(*[b"%d" % number for number in range(40)])
        await until(lambda: len(given.gate.begun) >= 10)
        assert len(given.gate.begun) < 30
        assert await other.ask(b"x") == b"answer to x"
        assert {await fast.receive() for _ in range(40)} == {b"answer to %d" % number for number in range(40)}
        assert given.count('authsvc_links_held_back_total{listener="main"}') >= 1


async def test_memory_for_all_links_together() -> None:
    """`limits.buffered_kb`: the link that holds most is cut; who takes its answers does not notice."""
    given = Stand(1000)
    given.server = Server(given.gate, given.metrics, LimitsConfig(buffered_kb=100), sweep_seconds=0.02)
    given.port = await given.server.listen("main", ListenerConfig(port=0, max_in_flight=1000))
    deaf, good = await given.connect(), await given.connect()
    deaf.writer.transport.set_write_buffer_limits(high=1 << 30)  # type: ignore[attr-defined]
    deaf._reader._transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(300):
        deaf.send(b"big")
        await asyncio.sleep(0)
    await until(lambda: given.refused("memory") == 1)
    await until(lambda: given.count('authsvc_connections{listener="main"}') == 1)
    assert await good.ask(b"x") == b"answer to x"
    assert await given.server.drain(5)


async def test_a_successor_on_the_same_sockets() -> None:
    """Server after server on one socket, each drained when the next listens, while peers connect for one message each: every
    peer gets in, and every message its answer."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    address, over = bound.getsockname(), asyncio.Event()
    answered = 0

    async def come_and_go() -> None:
        nonlocal answered
        while not over.is_set():
            peer = Peer(*await asyncio.open_connection(*address))
            assert await peer.ask(b"x") == b"answer to x"
            peer.writer.close()
            answered += 1

    async def successor() -> Stand:
        made = Stand(100)
        await made.server.listen("main", ListenerConfig(port=0), bound=bound.dup())
        return made

    serving = await successor()
    peers = [asyncio.create_task(come_and_go()) for _ in range(8)]
    for _ in range(10):
        before, wanted = serving, answered + 20
        serving = await successor()
        assert await before.server.drain(5, grace=0.2)
        await until(lambda w=wanted: answered > w or any(peer.done() for peer in peers))  # type: ignore[misc]
    over.set()
    await asyncio.gather(*peers)
    await serving.server.drain(5)
    bound.close()


async def test_a_drain_says_the_end_and_reads_on() -> None:
    """What comes after the last answer is not looked at, and takes no answer along: the peer reads all of it, then the end."""
    async with stand() as given:
        peer = await given.connect()
        given.gate.open.clear()
        peer.send(b"big")
        await until(lambda: given.gate.begun == [b"big"])
        draining = asyncio.create_task(given.server.drain(5))
        await asyncio.sleep(0.01)
        peer.send(b"too late")
        given.gate.open.set()
        assert len(await peer.receive()) == 60_000
        assert await peer.is_closed()
        assert await draining
        assert given.gate.begun == [b"big"]
