"""A flow in pieces becomes frames, whole or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec.framing import PLAIN, Framing, frame
from authsvc.reading.conversations import Piece
from authsvc.reading.cutting import cut


def told(pieces: list[Piece], framing: Framing = PLAIN) -> list[tuple[bytes, int, str]]:
    return [(each.payload, each.last.order, each.problem[:12]) for each in cut(pieces, framing)]


def pieces_of(*data: bytes) -> list[Piece]:
    return [Piece(one, order=number) for number, one in enumerate(data)]


@pytest.mark.parametrize(
    ("data", "then"),
    [
        ((b"\0\3abc",), [(b"abc", 0, "")]),
        ((b"\0", b"\3ab", b"c\0\1d"), [(b"abc", 2, ""), (b"d", 2, "")]),  # with the piece that ends it
        ((b"\0\0\0\1x",), [(b"x", 0, "")]),  # a keep-alive is none
        ((b"\0\3ab",), [(b"ab", 0, "the frame is")]),
        ((b"\0\1x\xff\xff", b"\0\1y"), [(b"x", 0, ""), (b"", 0, "the frame ca")]),  # nothing after it can be found
    ],
)
def test_frames(data: tuple[bytes, ...], then: list[tuple[bytes, int, str]]) -> None:
    assert told(pieces_of(*data)) == then


def test_after_lost_bytes_a_frame_begins() -> None:
    """What had begun before them is shown as far as it came."""
    pieces = [Piece(b"\0\5ab", order=0), Piece(b"\0\1x", order=1, lost=3)]
    assert told(pieces) == [(b"ab", 1, "the frame is"), (b"x", 1, "")]


@pytest.mark.parametrize(
    ("framing", "data", "payload", "header"),
    [
        (Framing(0), b"abc", b"abc", 0),
        (Framing(0, tpdu=True), b"\x60\0\1\0\2abc", b"abc", 5),
        (Framing(2, tpdu=True), b"\0\x08\x60\0\1\0\2abc", b"abc", 7),
        (Framing(4, ascii=True, vap=True), b"0003\0\0abc", b"abc", 6),
    ],
)
def test_what_stands_in_front(framing: Framing, data: bytes, payload: bytes, header: int) -> None:
    """Header and TPDU are counted, so that a place in the frame can be found."""
    (only,) = cut(pieces_of(data), framing)
    assert (only.payload, only.header, only.problem) == (payload, header, "")


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1), st.data())
def test_any_pieces_give_the_same_frames(payloads: list[bytes], data: st.DataObject) -> None:
    stream, pieces = b"".join(map(frame, payloads)), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        pieces.append(stream[:size])
        stream = stream[size:]
    assert [payload for payload, _, _ in told(pieces_of(*pieces))] == payloads
