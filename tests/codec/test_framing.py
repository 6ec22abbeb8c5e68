"""Frames: any cut of the stream gives the same payloads, and what cannot be a frame is told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authsvc.codec.framing import FRAMINGS, FrameReader, Framing, frame
from authsvc.errors import PeerError

EVERY = {
    f"{name}{'-inclusive' * inclusive}{'-vap' * vap}": replace(framing, inclusive=inclusive, vap=vap)
    for name, framing in FRAMINGS.items()
    for inclusive in (False, True)
    for vap in ((False, True) if name == "2b" else (False,))
}
SMALLEST_LIMIT = min(framing.largest for framing in EVERY.values())


@given(st.lists(st.binary(min_size=1, max_size=SMALLEST_LIMIT)), st.sampled_from(list(EVERY.values())), st.data())
def test_any_cut_of_the_stream_gives_the_same_payloads(
    payloads: list[bytes], framing: Framing, data: st.DataObject
) -> None:
    """However the network cuts the bytes, the messages are the same."""
    stream = b"".join(frame(payload, framing) for payload in payloads)
    reader, got = FrameReader(framing), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        got += reader.receive_data(stream[:cut])
        stream = stream[cut:]
    assert got == payloads


@pytest.mark.parametrize(
    ("framing", "framed"),
    [
        ("2b", b"\x00\x03abc"),
        ("4b", b"\x00\x00\x00\x03abc"),
        ("2a", b"03abc"),
        ("4a", b"0003abc"),
        ("2b-inclusive", b"\x00\x05abc"),
        ("4b-inclusive", b"\x00\x00\x00\x07abc"),
        ("2a-inclusive", b"05abc"),
        ("4a-inclusive", b"0007abc"),
        ("2b-vap", b"\x00\x03\x00\x00abc"),
        ("2b-inclusive-vap", b"\x00\x07\x00\x00abc"),
    ],
)
def test_every_framing_writes_its_length_its_own_way(framing: str, framed: bytes) -> None:
    """Binary or ASCII digits, two or four bytes, counting itself or not."""
    assert frame(b"abc", EVERY[framing]) == framed
    assert FrameReader(EVERY[framing]).receive_data(framed) == [b"abc"]


@pytest.mark.parametrize(
    ("framing", "keep_alive"),
    [("2b", b"\0\0"), ("4a", b"0000"), ("2b-inclusive", b"\0\2"), ("4a-inclusive", b"0000"), ("2b-vap", b"\0\0\0\0")],
)
def test_a_keep_alive_is_ignored(framing: str, keep_alive: bytes) -> None:
    """A frame of length zero says that the peer is there, and nothing else."""
    reader = FrameReader(EVERY[framing])
    assert reader.receive_data(keep_alive) == []
    assert reader.receive_data(keep_alive * 3 + frame(b"abc", EVERY[framing]) + keep_alive) == [b"abc"]
    assert reader.broken is None


@pytest.mark.parametrize(
    ("framing", "stream", "problem"),
    [
        ("2b", b"\x10\x01", "4097 bytes, above the maximum of 4096"),
        ("2b", b"GET / HTTP/1.1\r\n", "18245 bytes, above the maximum of 4096"),
        ("4b", b"\xff\xff\xff\xff", "4294967295 bytes, above the maximum of 4096"),
        ("4a", b"12x4", "its length is not digits"),
        ("4a", b" 123", "its length is not digits"),
        ("4a", b"4097", "4097 bytes, above the maximum of 4096"),
        ("4b-inclusive", b"\0\0\0\3", "its length is below the 4 bytes that it counts itself"),
        ("2b-vap", b"\0\3\0\1", "the two bytes after its length are not zero"),
    ],
)
def test_what_is_no_frame_is_refused_at_its_header(framing: str, stream: bytes, problem: str) -> None:
    """Nobody waits for a frame that is too long, and the link's error says what was wrong."""
    with pytest.raises(PeerError) as caught:
        FrameReader(EVERY[framing]).receive_data(stream)
    assert (caught.value.field, caught.value.problem) == ("frame", problem)


def test_a_frame_of_exactly_the_maximum_is_taken() -> None:
    """The limit itself is allowed."""
    assert FrameReader(max_frame=10).receive_data(frame(b"x" * 10)) == [b"x" * 10]


def test_payloads_before_a_broken_frame_are_not_lost() -> None:
    """What came whole is handed out first; the error waits for the next call, and stays."""
    reader = FrameReader(max_frame=10)
    assert reader.receive_data(frame(b"one") + frame(b"two") + b"\xff\xff") == [b"one", b"two"]
    assert reader.broken is not None
    for data in (b"", frame(b"three")):
        with pytest.raises(PeerError):
            reader.receive_data(data)


@pytest.mark.parametrize(("payload", "framing"), [(b"", "2b"), (b"x" * 100, "2a"), (b"x" * 65_536, "2b")])
def test_we_never_send_a_frame_that_says_something_else(payload: bytes, framing: str) -> None:
    """An empty frame would be a keep-alive, one too long would be cut somewhere else."""
    with pytest.raises(AssertionError):
        frame(payload, EVERY[framing])


def test_a_tpdu_is_taken_off_and_given_back_with_its_addresses_changed_over() -> None:
    """Identifier, receiver, sender: what came from 1234 for 0001 is answered from 0001 for 1234."""
    framing = replace(FRAMINGS["2b"], tpdu=True)
    back, message = framing.opened(b"\x60\x00\x01\x12\x34message")
    assert message == b"message"
    assert frame(b"answer", framing, back) == b"\x00\x0b\x60\x12\x34\x00\x01answer"
    assert FRAMINGS["2b"].opened(b"message") == (b"", b"message")
    assert framing.opened(b"\x60\x00")[1] == b""
