"""Captures: streams put together whatever the packets did on their way."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from captures import Sent, capture, opened
from hypothesis import given
from hypothesis import strategies as st

from authsvc.reading.conversations import Conversation, SourceError
from authsvc.reading.pcap import is_capture, read_capture, segments_in

CAPTURES = Path(__file__).parents[1] / "data" / "captures"


def streams(conversations: list[Conversation]) -> list[bytes]:
    return [b"".join(piece.data for piece in flow.pieces) for each in conversations for flow in each.flows]


@pytest.mark.parametrize(
    ("sent", "then"),
    [
        ([opened(), Sent(1, 0, b"abc"), Sent(2, 3, b"def")], b"abcdef"),
        ([opened(), Sent(1, 3, b"def"), Sent(2, 0, b"abc")], b"abcdef"),  # out of order
        ([opened(), Sent(1, 0, b"abc"), Sent(2, 0, b"abc"), Sent(3, 3, b"d")], b"abcd"),  # sent again
        ([opened(), Sent(1, 0, b"abc"), Sent(2, 1, b"bcde")], b"abcde"),  # sent again, with more
        ([opened(), Sent(1, 0, b"abcdefgh"), Sent(2, 8, b"ij")], b"abcdefghij"),  # over the end of the numbers
        ([Sent(1, 40, b"abc"), Sent(2, 43, b"d")], b"abcd"),  # the capture began later than the link
    ],
)
def test_a_stream(sent: list[Sent], then: bytes) -> None:
    conversations, notes = read_capture(capture(*sent))
    assert (streams(conversations), notes) == ([then], [])


def test_what_the_capture_lost_is_told() -> None:
    """How many bytes of which direction; what follows goes on, marked."""
    conversations, notes = read_capture(capture(opened(), Sent(1, 0, b"abc"), Sent(2, 10, b"xyz")))
    pieces = conversations[0].flows[0].pieces
    assert [(piece.data, piece.lost) for piece in pieces] == [(b"abc", 0), (b"xyz", 7)]
    assert notes == ["7 bytes from 10.0.0.1:40000 to 10.0.0.2:8583 are not in the capture"]


def test_both_directions_are_one_link_and_a_port_used_again_is_another() -> None:
    """The one who spoke first is in front; links without a byte are left out."""
    conversations, _ = read_capture(
        capture(
            opened(), opened(0.1, back=True), Sent(1, 0, b"ask"), Sent(2, 0, b"answer", back=True),
            opened(3, port=40_001), opened(4), opened(4.1, back=True), Sent(5, 0, b"again"), Sent(6, 0, b"yes", back=True),
        )
    )  # fmt: skip
    assert streams(conversations) == [b"ask", b"answer", b"again", b"yes"]
    assert [len(each.flows) for each in conversations] == [2, 2]
    assert (conversations[0].flows[1].sender, conversations[0].flows[1].receiver) == ("10.0.0.2:8583", "10.0.0.1:40000")


def test_the_time_of_a_piece_is_that_of_its_packet() -> None:
    """To the microsecond; one that had to wait keeps its own."""
    conversations, _ = read_capture(capture(opened(), Sent(2.25, 3, b"def"), Sent(3.5, 0, b"abc")))
    assert [piece.at for piece in conversations[0].flows[0].pieces] == [1_795_255_203.5, 1_795_255_202.25]


@given(st.binary(min_size=1, max_size=300), st.randoms(use_true_random=False), st.data())
def test_any_order_and_any_repeats_give_the_same_stream(
    stream: bytes, order: random.Random, data: st.DataObject
) -> None:
    """Cut anywhere, each piece once or twice, shuffled."""
    sent, place = [], 0
    while place < len(stream):
        size = data.draw(st.integers(1, 40))
        sent += [Sent(1, place, stream[place : place + size])] * data.draw(st.integers(1, 2))
        place += size
    order.shuffle(sent)
    conversations, notes = read_capture(capture(opened(), *sent[:60]))
    if len(sent) <= 60:
        assert (streams(conversations), notes) == ([stream], [])


@pytest.mark.parametrize("name", ["engine.pcap", "engine.pcapng"])
def test_captures_of_tshark_are_read(name: str) -> None:
    """pcap and pcapng, of loopback, of an engine of ours in three dialects."""
    data = (CAPTURES / name).read_bytes()
    assert is_capture(data)
    conversations, notes = read_capture(data)
    assert notes == []
    assert [len(each.flows) for each in conversations] == ([2, 2] if name.endswith("pcap") else [2])


def test_a_file_that_breaks_off_is_read_to_its_end() -> None:
    """A capture still being written: what there is of the last packet."""
    data = capture(opened(), Sent(1, 0, b"4111111111111111"))
    assert streams(read_capture(data[:-2])[0]) == [b"41111111111111"]
    assert streams(read_capture(data[:-60])[0]) == []


@pytest.mark.parametrize("data", [b"\xd4\xc3\xb2\xa14111111111111111", b"\x0a\x0d\x0d\x0a4111111111111111" * 4])
def test_a_broken_file_is_refused(data: bytes) -> None:
    """By the kind of error, never with bytes of what is in it."""
    with pytest.raises(SourceError, match="cannot be read as pcap or pcapng") as caught:
        read_capture(data)
    assert "4111" not in str(caught.value)


def test_another_kind_of_link_is_refused() -> None:
    """802.15.4, as the header of the file says it."""
    data = bytearray(capture(opened()))
    data[20] = 195
    with pytest.raises(SourceError, match="kind of link that we do not read"):
        read_capture(bytes(data))


def test_what_is_not_tcp_is_left_out() -> None:
    """ARP, and a packet that the capture cut off inside its headers."""
    data = capture(Sent(1, 0, b"abc"))
    head, whole = data[:40], data[40:]
    assert len(list(segments_in(data))) == 1
    assert list(segments_in(head + whole[:12] + b"\x08\x06" + whole[14:])) == []
    assert list(segments_in(head[:32] + (20).to_bytes(4, "little") + head[36:] + whole[:20])) == []
