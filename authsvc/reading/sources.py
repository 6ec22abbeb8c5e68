"""What was given: a capture, lines with a direction, hexadecimal, or a raw message.

The plain form of a capture is a text file with one frame a line: time, direction, hexadecimal, and `#` before a remark:

    # acquirer 3, morning of the 21st
    2026-11-21T10:00:00.000Z > 0085 30313030…
    2026-11-21T10:00:00.004Z < 0061 30313130…

The time is RFC 3339, or "-"; ">" goes to the issuer, "<" comes from it; a frame has the header of its framing, or none.
"""

from __future__ import annotations

import re
from datetime import datetime

from msgspec import Struct

from authsvc.reading.conversations import Conversation, Flow, Piece, SourceError
from authsvc.reading.pcap import is_capture, read_capture


class Given(Struct, frozen=True):
    """One reading of what was given. `notes`: what has to be said about it, as packets that are not in the capture."""

    conversations: tuple[Conversation, ...]
    notes: tuple[str, ...] = ()


ACQUIRER, ISSUER = "acquirer", "issuer"
_LINE = re.compile(r"(?P<at>\S+)\s+(?P<way>[<>])\s+(?P<frame>.*)")


def readings_of(data: bytes) -> list[Given]:
    """What `data` can be: one reading, or two where hexadecimal digits may be a raw message of digits (as an echo can be).

    Raises SourceError on a capture that cannot be read or a line that is none.
    """
    if is_capture(data):
        conversations, notes = read_capture(data)
        return [Given(tuple(conversations), tuple(notes))]
    text = data.decode("latin-1")
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if _is_said(line)]
    if lines and _LINE.fullmatch(lines[0][1].strip()):
        return [Given((_plain(lines),))]
    return [Given((Conversation((Flow((Piece(one),)),), whole=True),)) for one in _bytes_of(text, data)]


def _is_said(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _bytes_of(text: str, data: bytes) -> list[bytes]:
    """Of hexadecimal, with blanks, line ends or colons in it or not; and as they are, without a last line end."""
    compact = re.sub(r"[\s:]", "", text)
    raw = data.rstrip(b"\r\n")
    if len(compact) % 2 or re.fullmatch("[0-9A-Fa-f]+", compact) is None:
        return [raw]
    return [bytes.fromhex(compact), raw]


def _plain(lines: list[tuple[int, str]]) -> Conversation:
    flows: dict[str, list[Piece]] = {">": [], "<": []}
    for number, line in lines:
        way, piece = _piece(number, line)
        flows[way].append(piece)
    both = (Flow(tuple(flows[">"]), ACQUIRER, ISSUER), Flow(tuple(flows["<"]), ISSUER, ACQUIRER))
    return Conversation(tuple(flow for flow in both if flow.pieces), whole=True)


def _piece(number: int, line: str) -> tuple[str, Piece]:
    found = _LINE.fullmatch(line.strip())
    if found is None:
        raise SourceError(f"line {number}", "is not a time, > or <, and a frame in hexadecimal")
    return found["way"], Piece(_hexadecimal(number, found["frame"]), _seconds(number, found["at"]), order=number)


def _hexadecimal(number: int, text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if not data:
        raise SourceError(f"line {number}", "its frame is not hexadecimal")
    return data


def _seconds(number: int, text: str) -> float | None:
    if text == "-":
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise SourceError(f"line {number}", "its time is neither RFC 3339 with its offset nor -")
    return at.timestamp()
