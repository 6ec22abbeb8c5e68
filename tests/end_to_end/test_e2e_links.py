"""What a peer may do to its own link, and never to another one (issue A, TCP server)."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest
from conftest import Start
from e2e_bank import Bank
from e2e_process import free_port
from e2e_wire import Fields, Wire, decode, encode, framed

ECHO: Fields = {"t": "0800", "7": "0615100000", "11": "000001", "70": "301"}


@pytest.fixture
def link(bank: Bank) -> Iterator[Wire]:
    """The link that misbehaves; `bank.wire` is the other one."""
    with Wire(bank.engine.port) as wire:
        yield wire


GARBAGE = {
    "one byte": b"\x00",
    "zeros": bytes(200),
    "text": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "MTI alone": b"0100",
    "MTI nobody knows": b"9999" + b"0" * 32,
    "bitmap that is none": b"0100" + b"ZZZZZZZZZZZZZZZZ",
    "bitmap with everything": b"0100" + b"F" * 32,
    "only a bitmap": b"0100" + b"0" * 16,
    "cut short": encode(ECHO)[:-2],
    "more than it says": encode(ECHO) + b"0",
    "UTF-8": "0800ąęść".encode() * 4,
    "another dialect": b"\x01\x00\x70\x24\x04\x80",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_in_a_frame(bank: Bank, link: Wire, garbage: bytes) -> None:
    """Answered 30 if it has the type of a request, else not at all; the same link goes on, and so does another."""
    link.send_bytes(framed(garbage) + framed(encode(ECHO)))
    answer = link.receive()
    if answer["t"] != "0810" or answer["39"] != "00":
        assert answer["39"] == "30"
        answer = link.receive()
    assert (answer["t"], answer["39"], answer["11"]) == ("0810", "00", "000001")
    assert bank.wire.is_served()


def test_enough_garbage_closes_its_link(bank: Bank, link: Wire) -> None:
    """After `garbage_limit` unreadable messages in a row nobody believes any more that this is a peer."""
    link.send_bytes(framed(b"garbage") * 49)
    assert link.is_served()
    link.send_bytes(framed(b"garbage") * 50)
    assert link.is_closed_by_engine()
    assert bank.wire.is_served()


def test_a_frame_too_long_closes_that_link_only(bank: Bank, link: Wire) -> None:
    """Above max_frame (4 096): what was whole before it is answered first."""
    link.send_bytes(framed(encode(ECHO)) + (4097).to_bytes(2, "big") + b"0100")
    assert link.receive()["39"] == "00"
    assert link.is_closed_by_engine()
    assert bank.wire.is_served()


def test_the_longest_frame_is_no_fault(bank: Bank, link: Wire) -> None:
    link.send_bytes(framed(b"0" * 4096))
    assert link.is_served()
    assert 'cause="too_long"' in bank.api.ask("GET", "/metrics").text


def test_keep_alives_are_ignored(link: Wire) -> None:
    """A frame of length zero; never sent, never answered."""
    link.send_bytes(framed(b"") * 5)
    assert link.is_served()


def test_byte_by_byte(bank: Bank, link: Wire) -> None:
    """A message is whole when its last byte is there."""
    card = bank.issue("prepaid-bps")
    for byte in framed(encode(card.message(5_00))):
        link.send_bytes(bytes([byte]))
    assert link.receive()["39"] == "00"


def test_half_a_frame_waits_for_its_rest(bank: Bank, link: Wire) -> None:
    """And nobody else waits with it."""
    data = framed(encode(ECHO))
    link.send_bytes(data[:20])
    assert bank.wire.is_served()
    link.send_bytes(data[20:] + data[:1])
    assert link.receive()["39"] == "00"
    link.send_bytes(data[1:])
    assert link.receive()["39"] == "00"


@pytest.mark.parametrize("leave", [Wire.close, Wire.half_close])
def test_gone_in_the_middle_of_a_frame(bank: Bank, link: Wire, leave: Callable[[Wire], None]) -> None:
    link.send_bytes(framed(encode(ECHO))[:20])
    leave(link)
    assert bank.wire.is_served()


def test_a_half_closed_link_gets_its_answers(bank: Bank, link: Wire) -> None:
    card = bank.issue("prepaid-bps")
    messages = [card.message(1_00) for _ in range(10)]
    link.send(*messages)
    link.half_close()
    assert [link.receive()["39"] for _ in messages] == ["00"] * 10
    assert link.is_closed_by_engine()


def test_five_hundred_pipelined_on_one_link(bank: Bank, link: Wire) -> None:
    """Sent in one go, all are answered, each with its own echoes."""
    cards = [bank.issue("prepaid-bps") for _ in range(10)]
    messages = [card.message(1_00) for _ in range(50) for card in cards]
    answers = link.ask_all(messages)
    assert {answer["39"] for answer in answers.values()} == {"00"}
    assert all(answers[message["11"]]["37"] == message["37"] for message in messages)
    assert {card.held for card in cards} == {50_00}


def test_two_hundred_pipelined_for_one_account(bank: Bank, link: Wire) -> None:
    """More than an account remembers the keys of: each has to be looked up, and none loses a race for it."""
    card = bank.issue("prepaid-bps")
    answers = link.ask_all([card.message(1_00) for _ in range(200)])
    assert {answer["39"] for answer in answers.values()} == {"00"}
    assert card.held == 200_00


def test_a_peer_gone_before_its_answer(bank: Bank, link: Wire) -> None:
    """The message is decided and remembered; its repeat gets the answer, on another link."""
    card = bank.issue("prepaid-bps")
    message = card.message(7_00)
    link.send(message)
    link.close()
    assert bank.wire.ask({**message, "t": "0101"})["39"] == "00"
    assert card.held == 7_00


def test_a_peer_that_never_reads(bank: Bank) -> None:
    """It fills its own answers' room, is not read any more, and another link is served all the time."""
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", bank.engine.port))
        peer.settimeout(0.3)
        with pytest.raises(TimeoutError):  # 30 MB: before that is sent, nothing more is taken from it
            peer.sendall(framed(encode(ECHO)) * 500_000)
        assert bank.wire.is_served()
        card = bank.issue("prepaid-bps")
        assert [card.pay(1_00) for _ in range(20)] == ["00"] * 20


def test_silent_peers_cost_nobody_anything(bank: Bank) -> None:
    """Connected, and nothing said; a hundred of them."""
    peers = [Wire(bank.engine.port) for _ in range(100)]
    card = bank.issue("prepaid-bps")
    assert [card.pay(1_00) for _ in range(20)] == ["00"] * 20
    assert peers[50].is_served()
    for peer in peers:
        peer.close()


def test_what_was_refused_is_counted(bank: Bank, link: Wire) -> None:
    """`/metrics` has a clear counter, by listener and cause."""

    def refused(cause: str) -> float:
        text = bank.api.ask("GET", "/metrics").text
        name = f'authsvc_frames_refused_total{{cause="{cause}",listener="main"}}'
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    garbage, formats, too_long = refused("garbage"), refused("format"), refused("too_long")
    link.send_bytes(framed(b"garbage") * 3 + framed(b"0100" + b"0" * 16))
    assert link.receive()["39"] == "30"
    assert link.is_served()
    link.send_bytes(b"\xff\xff")
    assert link.is_closed_by_engine()
    assert (refused("garbage") - garbage, refused("too_long") - too_long) == (3, 1)
    assert refused("format") - formats >= 1


# ------------------------------------------------------------------------------------------------ sign-on and -off


def network(code: str) -> Fields:
    return {"t": "0800", "7": "0615100000", "11": "000002", "70": code}


def test_signed_off_until_signed_on(bank: Bank, link: Wire) -> None:
    """91 on that link until the next sign-on, nothing decided; echo goes on, and so does another link (wire.md 3)."""
    card = bank.issue("prepaid-bps")
    assert link.ask(network("002")) == {"t": "0810", "39": "00", "7": "0615100000", "11": "000002", "70": "002"}
    message = card.message(5_00)
    assert link.ask(message)["39"] == "91"
    assert link.ask(card.reversal(message))["39"] == "91"
    assert link.is_served()
    assert card.pay(1_00) == "00"
    assert bank.decisions(rrn=message["37"]) == []
    assert link.ask(network("001"))["39"] == "00"
    assert link.ask(message)["39"] == "00"
    assert card.held == 6_00


@pytest.mark.parametrize(("fields", "code"), [
    (network("301"), "00"), (network("161"), "12"), (network("999"), "12"), ({**network("301"), "t": "0801"}, "00"),
    ({**network("301"), "t": "0820"}, "00"), ({"t": "0800", "11": "000002", "70": "301"}, "00"),
    ({"t": "0800", "7": "0615100000", "11": "000002"}, "30"),
])  # fmt: skip
def test_network_management(link: Wire, fields: Fields, code: str) -> None:
    answer = link.ask(fields)
    assert (answer["t"], answer["39"]) == ("0830" if fields["t"] == "0820" else "0810", code)


def test_a_listener_that_wants_a_sign_on(start: Start) -> None:
    """`require_sign_on`: 91 until it comes, on every new link; another listener of the same engine does not want it."""
    port = free_port()
    engine = start(f"listeners.strict.port={port}", "listeners.strict.require_sign_on=true")
    bank = Bank(engine)
    card = bank.issue("prepaid-bps")
    for _ in range(2):
        with Wire(port) as strict:
            assert strict.is_served()
            assert strict.ask(card.message(1_00))["39"] == "91"
            assert strict.ask(network("001"))["39"] == "00"
            assert strict.ask(card.message(1_00))["39"] == "00"
    assert card.pay(1_00) == "00"
    assert card.held == 3_00
    bank.close()


def test_limits_of_a_listener(start: Start) -> None:
    """By --set: another framing, shorter frames, a link silent for too long."""
    engine = start("listeners.main.framing=4a", "listeners.main.max_frame=300", "listeners.main.idle_seconds=1")
    with socket.create_connection(("127.0.0.1", engine.port), 10) as peer:
        payload = encode(ECHO)
        peer.sendall(b"%04d" % len(payload) + payload)
        answer = peer.recv(4096)
        assert answer[:4] == b"%04d" % (len(answer) - 4)
        assert decode(answer[4:])["39"] == "00"
        asked = time.monotonic()
        assert peer.recv(1) == b""  # silent for a second
        assert time.monotonic() - asked < 8
    with socket.create_connection(("127.0.0.1", engine.port), 10) as peer:
        peer.sendall(b"0301")
        assert peer.recv(1) == b""
