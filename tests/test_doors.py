"""Who may have a link: by address, by room, by certificate. Real sockets and TLS; certificates made here."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from engine_parts import until
from test_server import Peer, Stand
from tls_files import Authority, client_context

from authsvc.codec.framing import frame
from authsvc.config import LimitsConfig, ListenerConfig, TlsConfig
from authsvc.errors import ConfigError
from authsvc.security.tls import context_of


class Files:
    """Ours: a certificate for 127.0.0.1. Of peers: by what is right or wrong with them."""

    def __init__(self, folder: Path) -> None:
        ours, theirs, nobody = (Authority(folder, name) for name in ("ours", "theirs", "nobody"))
        self.server = ours.sign("server", "switch", "127.0.0.1")
        self.authority, self.client_ca = ours.file, theirs.file
        self.renewed = Authority(folder, "ours-next")
        self.bank = theirs.sign("bank", "someone", "switch.bank-a.example", "urn:bank:a")
        self.common_name = theirs.sign("cn", "bank-a")
        self.wrong = {
            "no certificate": None,
            "another authority": nobody.sign("stranger", "bank-a", "switch.bank-a.example"),
            "expired": theirs.sign("expired", "bank-a", days=-1),
            "another name": theirs.sign("other", "bank-b", "switch.bank-b.example"),
            "almost the name": theirs.sign("almost", "x", "switch.bank-a.example.evil.example", "a.example"),
        }

    def tls(self, *names: str) -> TlsConfig:
        cert, key = map(str, self.server)
        return TlsConfig(cert=cert, key=key, client_ca=str(self.client_ca) if names else "", client_names=names)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("tls"))


class Secure(Stand):
    """A server with one listener, as `test_server.Stand`."""

    def __init__(self, limits: LimitsConfig | None = None) -> None:
        super().__init__(100)
        if limits is not None:
            self.server = type(self.server)(self.gate, self.metrics, limits, sweep_seconds=0.02)

    async def open(self, **listener: Any) -> Secure:
        self.port = await self.server.listen("main", ListenerConfig(port=0, **listener))
        return self

    async def connect_by(self, context: ssl.SSLContext) -> Peer:
        return Peer(*await asyncio.open_connection("127.0.0.1", self.port, ssl=context))

    async def turns_away(self, context: ssl.SSLContext) -> bool:
        """Whether a peer is cut; in TLS 1.3 it learns of it only when it reads."""
        try:
            peer = await self.connect_by(context)
            peer.send(b"let me in")
            return await peer.is_closed()
        except OSError:
            return True

    def connections(self) -> float:
        return self.count('authsvc_connections{listener="main"}')

    async def __aenter__(self) -> Secure:
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert await self.server.drain(5)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name)
async def test_a_peer_with_its_certificate(files: Files, version: ssl.TLSVersion) -> None:
    """By an alternative name or by its common name, in both versions of TLS; any number of messages."""
    async with await Secure().open(tls=files.tls("switch.bank-a.example", "bank-a")) as given:
        for own in (files.bank, files.common_name):
            context = client_context(files.authority, own)
            context.minimum_version = context.maximum_version = version
            peer = await given.connect_by(context)
            assert await peer.ask(b"x") == b"answer to x"
            peer.send(*[b"%d" % number for number in range(50)])
            assert {await peer.receive() for _ in range(50)} == {b"answer to %d" % number for number in range(50)}
            peer.writer.close()
        await until(lambda: given.connections() == 0)


@pytest.mark.parametrize("who", ["no certificate", "another authority", "expired", "another name", "almost the name"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name)
async def test_a_peer_with_a_wrong_one(files: Files, who: str, version: ssl.TLSVersion) -> None:
    """It is cut, counted, and nothing it sent has been read; who has the right one does not notice."""
    async with await Secure().open(tls=files.tls("switch.bank-a.example")) as given:
        good = await given.connect_by(client_context(files.authority, files.bank))
        context = client_context(files.authority, files.wrong[who])
        context.minimum_version = context.maximum_version = version
        assert await given.turns_away(context)
        await until(lambda: given.refused("certificate") == 1)
        await until(lambda: given.connections() == 1)
        assert await good.ask(b"x") == b"answer to x"
        assert given.gate.begun == [b"x"]


async def test_without_names_no_certificate_is_needed(files: Files) -> None:
    """TLS of ours alone: the peer knows us, and we know it by its address and its MACs."""
    async with await Secure().open(tls=files.tls()) as given:
        peer = await given.connect_by(client_context(files.authority))
        assert await peer.ask(b"x") == b"answer to x"


@pytest.mark.parametrize(
    "garbage", [frame(b"in clear"), b"GET / HTTP/1.1\r\n\r\n", bytes(100), b"\x16\x03\x01\xff\xff" + bytes(2000)]
)
async def test_no_tls_on_a_port_of_tls(files: Files, garbage: bytes) -> None:
    """Cut, counted, and not read as a message."""
    async with await Secure().open(tls=files.tls(), frame_seconds=0.3) as given:
        peer = await given.connect()
        peer.writer.write(garbage)
        await until(lambda: given.refused("tls") == 1)
        assert given.gate.begun == []


async def test_a_handshake_that_never_ends(files: Files) -> None:
    """After `frame_seconds`, whether nothing comes or half of a hello."""
    async with await Secure().open(tls=files.tls(), frame_seconds=0.2) as given:
        silent, half = await given.connect(), await given.connect()
        half.writer.write(b"\x16\x03\x01\x02\x00\x01")
        await until(lambda: given.refused("tls") == 2)
        assert await silent.is_closed()
        assert await half.is_closed()
        peer = await given.connect_by(client_context(files.authority))
        assert await peer.ask(b"x") == b"answer to x"


async def test_an_old_version(files: Files) -> None:
    """TLS 1.1 is none any more."""
    async with await Secure().open(tls=files.tls()) as given:
        context = client_context(files.authority)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        assert await given.turns_away(context)
        await until(lambda: given.refused("tls") == 1)


async def test_new_certificates_while_it_runs(files: Files, tmp_path: Path) -> None:
    """Links go on as they are, new ones get the new certificate; a bad file changes nothing and is named."""
    cert, key = tmp_path / "cert.pem", tmp_path / "cert.key"
    for path, source in zip((cert, key), files.server, strict=True):
        path.write_bytes(source.read_bytes())
    async with await Secure().open(tls=TlsConfig(cert=str(cert), key=str(key))) as given:
        before = await given.connect_by(client_context(files.authority))
        fresh = files.renewed.sign("renewed", "switch", "127.0.0.1")
        cert.write_bytes(fresh[0].read_bytes())
        with pytest.raises(ConfigError, match=r"listeners\.main\.tls\.key: .* is not the key of"):
            given.server.renew_certificates()
        assert await (await given.connect_by(client_context(files.authority))).ask(b"x") == b"answer to x"
        key.write_bytes(fresh[1].read_bytes())
        given.server.renew_certificates()
        assert await (await given.connect_by(client_context(files.renewed.file))).ask(b"x") == b"answer to x"
        assert await before.ask(b"x") == b"answer to x"


async def test_a_peer_that_does_not_read_in_tls(files: Files) -> None:
    """Back-pressure reaches through TLS: it is not read from, others are, and it gets everything when it reads."""
    async with await Secure().open(tls=files.tls(), max_in_flight=1000) as given:
        deaf = await given.connect_by(client_context(files.authority))
        deaf.writer.transport.set_write_buffer_limits(high=1 << 30)  # type: ignore[attr-defined]
        deaf._reader._transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(300):
            deaf.send(b"big")
            await asyncio.sleep(0)
        await asyncio.sleep(0.2)
        other = await given.connect_by(client_context(files.authority))
        assert await other.ask(b"x") == b"answer to x"
        deaf._reader._transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(300):
            assert len(await deaf.receive()) == 60_000


async def test_a_drain_in_tls(files: Files) -> None:
    """Messages under way are answered, then the link is closed as TLS closes."""
    async with await Secure().open(tls=files.tls()) as given:
        peer = await given.connect_by(client_context(files.authority))
        given.gate.open.clear()
        peer.send(b"one")
        await until(lambda: given.gate.begun == [b"one"])
        draining = asyncio.create_task(given.server.drain(5))
        await asyncio.sleep(0.02)
        given.gate.open.set()
        assert await draining
        assert await peer.receive() == b"answer to one"
        assert await peer.is_closed()


@pytest.mark.parametrize(("wrong", "problem"), [
    ({"cert": "/nowhere"}, r"x\.cert: /nowhere: No such file"),
    ({"key": "/nowhere"}, r"x\.key: /nowhere: No such file"),
    ({"client_ca": "/nowhere"}, r"x\.client_ca: /nowhere: No such file"),
    ({"key": "CERT"}, r"x\.key: .* no key and certificate in PEM"),
    ({"cert": "KEY"}, r"x\.key: .* no key and certificate in PEM"),
    ({"key": "OTHER"}, r"x\.key: .* is not the key of"),
    ({"client_ca": "KEY"}, r"x\.client_ca: .*: has no certificate in PEM"),
])  # fmt: skip
def test_files_that_are_wrong(files: Files, wrong: dict[str, str], problem: str) -> None:
    """The start stops; setting and file are named."""
    named = {"CERT": str(files.server[0]), "KEY": str(files.server[1]), "OTHER": str(files.bank[1])}
    settings = {
        "cert": named["CERT"],
        "key": named["KEY"],
        **{key: named.get(value, value) for key, value in wrong.items()},
    }
    with pytest.raises(ConfigError, match=problem):
        context_of(TlsConfig(**settings), "x")  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------- addresses, room


@pytest.mark.parametrize(("allow", "admitted"), [
    ((), True), (("127.0.0.1",), True), (("127.0.0.0/8", "10.0.0.0/8"), True), (("0.0.0.0/0",), True),
    (("10.0.0.0/8",), False), (("127.0.0.2", "::1"), False), (("::/0",), False),
])  # fmt: skip
async def test_addresses_that_may_connect(allow: tuple[str, ...], admitted: bool) -> None:
    """None named: all; else those alone, and the others are cut before anything is read."""
    async with await Secure().open(allow=allow) as given:
        peer = await given.connect()
        if admitted:
            assert await peer.ask(b"x") == b"answer to x"
        else:
            assert await peer.is_closed()
            assert given.refused("address") == 1


@pytest.mark.parametrize(("allow", "admitted"), [(("::1",), True), (("fd00::/8",), False), (("127.0.0.1",), False)])
async def test_addresses_of_version_6(allow: tuple[str, ...], admitted: bool) -> None:
    async with await Secure().open(host="::1", allow=allow) as given:
        peer = Peer(*await asyncio.open_connection("::1", given.port))
        if admitted:
            assert await peer.ask(b"x") == b"answer to x"
        else:
            assert await peer.is_closed()
            assert given.refused("address") == 1


@pytest.mark.parametrize("limits", [LimitsConfig(connections=3), LimitsConfig(connections_per_address=3)])
async def test_room_for_so_many(limits: LimitsConfig) -> None:
    """A fourth is closed at once; a place given up is free again; half-open handshakes would hold places too."""
    async with await Secure(limits).open() as given:
        peers = [await given.connect() for _ in range(3)]
        assert [await peer.ask(b"x") for peer in peers] == [b"answer to x"] * 3
        assert await (await given.connect()).is_closed()
        assert given.refused("no_room") == 1
        peers[0].writer.close()
        await until(lambda: given.connections() == 2)
        assert await (await given.connect()).ask(b"x") == b"answer to x"


async def test_room_for_each_address() -> None:
    """One that takes all it may get takes nothing from another."""
    async with await Secure(LimitsConfig(connections_per_address=2)).open(host="0.0.0.0") as given:
        crowd = [await given.connect() for _ in range(3)]
        assert await crowd[2].is_closed()
        elsewhere = socket.socket()
        elsewhere.bind(("127.0.0.2", 0))
        elsewhere.setblocking(False)
        await asyncio.get_running_loop().sock_connect(elsewhere, ("127.0.0.1", given.port))
        peer = Peer(*await asyncio.open_connection(sock=elsewhere))
        assert await peer.ask(b"x") == b"answer to x"


async def test_handshakes_hold_room_and_give_it_back(files: Files) -> None:
    async with await Secure(LimitsConfig(connections=2)).open(tls=files.tls(), frame_seconds=0.3) as given:
        half = [await given.connect() for _ in range(3)]
        assert await half[2].is_closed()
        assert given.refused("no_room") == 1
        await until(lambda: given.refused("tls") == 2)
        peer = await given.connect_by(client_context(files.authority))
        assert await peer.ask(b"x") == b"answer to x"


async def test_new_connections_wait_while_the_server_is_full() -> None:
    """They are in the system's queue, and get their turn."""
    async with await Secure(LimitsConfig(in_flight=1)).open() as given:
        first = await given.connect()
        given.gate.open.clear()
        first.send(b"first")
        await until(lambda: given.gate.begun == [b"first"])
        late = await given.connect()
        late.send(b"late")
        await asyncio.sleep(0.05)
        assert given.gate.begun == [b"first"]
        given.gate.open.set()
        assert await late.receive() == b"answer to late"
        assert await first.receive() == b"answer to first"


@pytest.mark.parametrize(("limits", "then"), [
    ("ulimit -Sn 300; ulimit -Hn 300", "44 300"),        # no more to be had: the rest of the engine keeps its own
    ("ulimit -Sn 300; ulimit -Hn 1000", "744 1000"),     # all that may be had is asked for
    ("ulimit -Sn 300; ulimit -Hn 10000", "4096 4352"),   # as many as are needed
    ("ulimit -Sn 100; ulimit -Hn 100", "1 100"),
])  # fmt: skip
def test_connections_that_the_process_can_afford(limits: str, then: str) -> None:
    """`limits.connections` of 4096 under the system's limit of open files: connections never take the ledger's."""
    program = (
        "import resource; from authsvc.doors import affordable; "
        "print(affordable(4096), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    shell = f"{limits}; exec {sys.executable} -c '{program}'"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == then
