"""Open links handed from one server to the next, as between a worker and its successor; both are in the test's own process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from engine_parts import until
from test_server import Peer, Stand
from tls_files import Authority, client_context

from authsvc.codec.framing import frame
from authsvc.config import ListenerConfig, TlsConfig
from authsvc.handover import LARGEST, Channel, channel_pair


class Succession:
    """A server that serves `port`, and its successor once there is one."""

    def __init__(self, **listener: object) -> None:
        self._bound = socket.socket()
        self._bound.bind(("127.0.0.1", 0))
        self._listener = ListenerConfig(port=0, **listener)  # type: ignore[arg-type]
        self.serving: Stand
        self.before: Stand

    async def begin(self) -> Succession:
        self.serving = await self._stand()
        return self

    async def _stand(self) -> Stand:
        made = Stand(100)
        made.port = self._bound.getsockname()[1]
        await made.server.listen("main", self._listener, bound=self._bound.dup())
        return made

    async def succeed(self, seconds: float = 5, busy: float = 0) -> int:
        """The next one serves; how many links it was given. `busy`: seconds for which it takes none."""
        sending, receiving = map(Channel, channel_pair())
        before, after = self.serving, await self._stand()
        adopting = asyncio.create_task(adopt(after, receiving, busy))
        count = await before.server.hand_over(sending, seconds)
        sending.close()
        await adopting
        await before.server.drain(0.1)
        self.before, self.serving = before, after
        return count

    async def connect(self) -> Peer:
        return Peer(*await asyncio.open_connection(*self._bound.getsockname()))

    async def end(self) -> None:
        self.serving.gate.open.set()
        await self.serving.server.drain(5)
        self._bound.close()


async def adopt(stand: Stand, channel: Channel, busy: float = 0) -> None:
    await asyncio.sleep(busy)
    while (found := await channel.receive()) is not None:
        await stand.server.adopt(*found)
    channel.close()


@asynccontextmanager
async def succession(**listener: object) -> AsyncIterator[Succession]:
    made = await Succession(**listener).begin()
    yield made
    await made.end()


async def test_links_that_never_end() -> None:
    """Server after server, each taking over eight links amid pipelined messages that come in pieces: every message is
    answered, once, and no link ends."""
    async with succession(max_in_flight=4) as given:
        over, answers = asyncio.Event(), [0] * 8

        async def ask(number: int) -> None:
            peer, sent = await given.connect(), 0
            while not over.is_set():
                wanted = {b"answer to %d" % (sent + each) for each in range(6)}
                data = b"".join(frame(b"%d" % (sent + each)) for each in range(6))
                peer.writer.write(data[: 3 + number])
                await asyncio.sleep(0)
                peer.writer.write(data[3 + number :])
                assert {await peer.receive() for _ in wanted} == wanted
                sent += 6
                answers[number] += 6

        peers = [asyncio.create_task(ask(number)) for number in range(8)]
        await until(lambda: min(answers) > 0 or any(peer.done() for peer in peers))
        for _ in range(10):
            wanted = sum(answers) + 100
            await until(lambda w=wanted: sum(answers) > w or any(peer.done() for peer in peers))  # type: ignore[misc]
            assert await given.succeed() == 8
        over.set()
        await asyncio.gather(*peers)


async def test_half_a_frame_goes_along() -> None:
    """Its header and a byte were read by one, the rest comes to the next."""
    async with succession() as given:
        peer = await given.connect()
        peer.writer.write(frame(b"halved")[:3])
        await until(lambda: sum(link.buffered for link in given.serving.server._links) == 3)
        assert await given.succeed() == 1
        assert (given.before.server.links(), given.before.refused("cut_short")) == ([], 0)
        peer.writer.write(frame(b"halved")[3:])
        assert await peer.receive() == b"answer to halved"


async def test_what_was_begun_is_answered_before() -> None:
    """The message under way is answered by who began it; the one sent meanwhile by who follows."""
    async with succession() as given:
        peer, gate = await given.connect(), given.serving.gate
        gate.open.clear()
        peer.send(b"first")
        await until(lambda: gate.begun == [b"first"])
        succeeding = asyncio.create_task(given.succeed())
        await asyncio.sleep(0.1)
        peer.send(b"second")
        await asyncio.sleep(0.02)
        assert gate.begun == [b"first"]
        gate.open.set()
        assert [await peer.receive(), await peer.receive()] == [b"answer to first", b"answer to second"]
        assert await succeeding == 1
        assert given.serving.gate.begun == [b"second"]


async def test_what_is_known_of_a_link_goes_along() -> None:
    """Signed on, how much garbage it has sent, since when it is silent."""
    async with succession(require_sign_on=True, garbage_limit=3) as given:
        peer = await given.connect()
        peer.send(b"nothing", b"nothing")
        await until(lambda: given.serving.refused("garbage") == 2)
        (link,) = given.serving.server._links
        assert not link.signed_on
        link.signed_on = True
        await asyncio.sleep(0.1)
        before = given.serving.server.links()[0]
        assert await given.succeed() == 1
        after = given.serving.server.links()[0]
        assert (after.peer, after.signed_on) == (before.peer, True)
        assert after.silent > before.silent
        peer.send(b"nothing")
        assert await peer.is_closed()


async def test_a_rate_goes_along() -> None:
    """Five at once and then almost none: the five have been sent, so the sixth and seventh wait, here as there."""
    async with succession(messages_per_second=0.01, burst=5) as given:
        peer = await given.connect()
        peer.send(*(b"%d" % each for each in range(7)))
        assert {await peer.receive() for _ in range(5)} == {b"answer to %d" % each for each in range(5)}
        assert await given.succeed() == 1
        await until(lambda: given.serving.server.links()[0].paused == ["rate"])
        assert given.serving.server.links()[0].in_flight == 2
        assert given.serving.gate.begun == []


async def test_what_waits_for_its_rate_is_begun_there() -> None:
    """Read by one, begun by the next."""
    async with succession(messages_per_second=20, burst=1) as given:
        peer = await given.connect()
        peer.send(*(b"%d" % each for each in range(12)))
        assert await peer.receive() == b"answer to 0"
        assert await given.succeed() == 1
        assert {await peer.receive() for _ in range(11)} == {b"answer to %d" % each for each in range(1, 12)}
        assert given.serving.gate.begun[-1] == b"11"


async def test_too_much_that_waits() -> None:
    """More than a datagram holds: this link stays, and ends as without a successor; what was not begun may be sent again."""
    async with succession(messages_per_second=0.01, burst=1) as given:
        peer = await given.connect()
        await until(lambda: bool(given.serving.server.links()))
        (link,) = given.serving.server._links
        link.data_received(frame(bytes(4000)) * (LARGEST // 4000 + 2))  # as one read, however the system cuts it
        assert await given.succeed() == 0
        assert await peer.receive() == b"answer to " + bytes(4000)
        assert await peer.is_closed()


async def test_a_peer_that_does_not_read_stays() -> None:
    """Its answers are in this process: it is given so long, and then it is not handed over."""
    async with succession() as given:
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", given.serving.port))
        peer.sendall(frame(b"big") * 100)
        await until(lambda: given.serving.server.links() and "write" in given.serving.server.links()[0].paused)
        assert await given.succeed(seconds=0.2) == 0
        peer.close()


async def test_a_peer_that_says_no_more_stays() -> None:
    """Half-closed, it is waited for as ever: it gets its answer, and the end."""
    async with succession() as given:
        peer, gate = await given.connect(), given.serving.gate
        gate.open.clear()
        peer.send(b"last")
        peer.writer.write_eof()
        await until(lambda: gate.begun == [b"last"])
        await asyncio.sleep(0.02)
        succeeding = asyncio.create_task(given.succeed())
        await asyncio.sleep(0.1)
        gate.open.set()
        assert await peer.receive() == b"answer to last"
        assert await peer.is_closed()
        assert await succeeding == 0


async def test_tls_stays(tmp_path: Path) -> None:
    """Its state is in the process: the link ends after its answers, and the peer comes again."""
    authority = Authority(tmp_path, "ours")
    cert, key = map(str, authority.sign("server", "switch", "127.0.0.1"))
    async with succession(tls=TlsConfig(cert=cert, key=key)) as given:
        secure = client_context(authority.file)
        peer = Peer(*await asyncio.open_connection("127.0.0.1", given.serving.port, ssl=secure))
        assert await peer.ask(b"x") == b"answer to x"
        assert await given.succeed() == 0
        assert await peer.is_closed()


async def test_nobody_to_hand_to() -> None:
    """The successor has ended: the link stays, and is served until its end."""
    async with succession() as given:
        peer = await given.connect()
        assert await peer.ask(b"x") == b"answer to x"
        sending, receiving = channel_pair()
        receiving.close()
        assert await given.serving.server.hand_over(Channel(sending), 5) == 0
        assert await peer.ask(b"y") == b"answer to y"
        sending.close()


async def test_a_peer_that_left_on_the_way() -> None:
    """It hung up between the two: it is gone there too, and its place is free."""
    async with succession() as given:
        peer = await given.connect()
        assert await peer.ask(b"x") == b"answer to x"
        sending, receiving = channel_pair()
        after = await given._stand()
        assert await given.serving.server.hand_over(Channel(sending), 5) == 1
        sending.close()
        peer.writer.transport.abort()
        await adopt(after, Channel(receiving))
        await until(lambda: after.count("authsvc_connections") == 0)
        assert after.server.links() == []
        await after.server.drain(5)


async def test_more_than_the_channel_holds() -> None:
    """Many links with half a frame each, and a successor that is busy with something else for a moment: all go, and go on."""
    async with succession(max_frame=8000) as given:
        data = frame(bytes(8000))
        peers = [await given.connect() for _ in range(60)]
        for peer in peers:
            peer.writer.write(data[:7000])
        await until(lambda: sum(link.buffered for link in given.serving.server._links) == 60 * 7000)
        assert await given.succeed(busy=0.1) == 60
        for peer in peers:
            peer.writer.write(data[7000:])
            assert await peer.receive() == b"answer to " + bytes(8000)
