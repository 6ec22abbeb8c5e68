"""A flow cut into frames by one framing, each with the piece that brought its last byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from authsvc.codec.framing import TPDU_BYTES, FrameReader, Framing
from authsvc.errors import PeerError
from authsvc.reading.conversations import Piece

MAX_FRAME = 9_999


class Cut(Struct, frozen=True):
    """`payload`: without header and TPDU; `last`: the piece with its last byte; `header`: bytes in front of the payload;
    `problem`: why it is no whole frame, "" when it is one."""

    payload: bytes
    last: Piece
    header: int = 0
    problem: str = ""


def cut(pieces: Iterable[Piece], framing: Framing) -> Iterator[Cut]:
    """The frames of one direction; a framing of width 0 takes each piece for one. Keep-alives are left out.

    After bytes that are lost, the next piece is taken for the start of a frame, which it mostly is.
    """
    reader: FrameReader | None = FrameReader(framing, MAX_FRAME)
    piece = Piece(b"")
    for piece in pieces:
        if not framing.width:
            yield _opened(piece.data, piece, framing)
            continue
        if piece.lost:
            yield from _unfinished(reader, piece, framing)
            reader = FrameReader(framing, MAX_FRAME)
        if reader is None:
            continue
        try:
            payloads, broken = reader.receive_data(piece.data), reader.broken
        except PeerError as error:
            payloads, broken = [], error
        for payload in payloads:
            yield _opened(payload, piece, framing)
        if broken is not None:
            yield Cut(b"", piece, problem=f"the frame cannot be read: {broken.problem}")
            reader = None
    yield from _unfinished(reader, piece, framing)


def _unfinished(reader: FrameReader | None, last: Piece, framing: Framing) -> Iterator[Cut]:
    """What came of a frame whose end never did."""
    if reader is None or not reader.pending:
        return
    begun = _opened(reader.rest[framing.header :], last, framing)
    yield Cut(begun.payload, last, begun.header, "the frame is not whole: its length says that more follows")


def _opened(data: bytes, last: Piece, framing: Framing) -> Cut:
    _, payload = framing.opened(data)
    return Cut(payload, last, framing.header + (TPDU_BYTES if framing.tpdu else 0))
