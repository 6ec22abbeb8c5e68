"""What was given: hexadecimal, raw, lines with a direction."""

from __future__ import annotations

import pytest

from authsvc.reading.conversations import Flow, Piece, SourceError
from authsvc.reading.sources import readings_of


def raw_readings(data: bytes) -> list[bytes]:
    return [given.conversations[0].flows[0].pieces[0].data for given in readings_of(data)]


@pytest.mark.parametrize(
    ("data", "then"),
    [
        (b"0100abcdef", [bytes.fromhex("0100abcdef"), b"0100abcdef"]),
        (b"01 00 AB:CD\r\n ef\n", [bytes.fromhex("0100abcdef"), b"01 00 AB:CD\r\n ef"]),
        (b"0800822", [b"0800822"]),  # an odd number of digits
        (b"0100 hello\n", [b"0100 hello"]),
        (b"\x01\x00\xff", [b"\x01\x00\xff"]),
        (b"", [b""]),
    ],
)
def test_pasted(data: bytes, then: list[bytes]) -> None:
    """Hexadecimal first, and as it is: an echo in characters is digits from end to end."""
    assert raw_readings(data) == then


PLAIN = b"""# two frames, and a remark

2026-11-21T10:00:00Z > 0001 41
- < 000142
2026-11-21T11:00:00.5+01:00 > 43
"""


def test_lines_with_a_direction() -> None:
    """Two flows; times in UTC, or none; the order is that of the lines."""
    (given,) = readings_of(PLAIN)
    (conversation,) = given.conversations
    asked = (Piece(b"\0\1A", 1795255200.0, 3), Piece(b"C", 1795255200.5, 5))
    assert conversation.flows == (
        Flow(asked, "acquirer", "issuer"),
        Flow((Piece(b"\0\1B", None, 4),), "issuer", "acquirer"),
    )
    assert conversation.whole


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("- > 00zz", "line 2: its frame is not hexadecimal"),
        ("- < x", "line 2: its frame is not hexadecimal"),
        ("yesterday < 00", "line 2: its time is neither RFC 3339 with its offset nor -"),
        ("2026-11-21T10:00:00 < 00", "line 2: its time is neither RFC 3339 with its offset nor -"),
        ("0100 4111", "line 2: is not a time, > or <, and a frame in hexadecimal"),
    ],
)
def test_a_line_that_is_none(line: str, error: str) -> None:
    """Named by its number; nothing of it is repeated."""
    with pytest.raises(SourceError) as caught:
        readings_of(f"- > 00\n{line}\n".encode())
    assert str(caught.value) == error
