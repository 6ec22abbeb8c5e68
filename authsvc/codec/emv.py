"""DE55: what the chip said, as BER-TLV; unknown tags are kept. And the answer to the chip.

Lengths are checked here, so that the security module gets bytes it can compute with. Sources: EMV 4.3 Book 3 annex A
(tags, lengths) and annex B (BER-TLV); `wire.md` section 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from authsvc.codec.misfit import MisfitError

CRYPTOGRAM, ISSUER_DATA, COUNTER, CVM_RESULTS = "9F26", "9F10", "9F36", "9F34"
ISSUER_AUTHENTICATION, SEQUENCE = "91", "5F34"

LENGTHS = {
    "82": 2, "95": 5, "9A": 3, "9C": 1, "5F2A": 2, "5F34": 1, "9F02": 6, "9F03": 6, "9F1A": 2, "9F26": 8, "9F27": 1,
    "9F33": 3, "9F34": 3, "9F36": 2, "9F37": 4,
}  # fmt: skip
"""Tags of a fixed length, bytes."""
SIGNED = ("9F02", "9F03", "9F1A", "95", "5F2A", "9A", "9C", "9F37", "82", "9F36")
"""What a cryptogram is computed over, in this order, before the issuer's own part (EMV 4.3 Book 2 section 8.1.1)."""
OFFLINE_PIN = frozenset({0x01, 0x03, 0x04, 0x05})
"""First byte of 9F34 without its upper bits: PIN verified by the chip, in clear or enciphered, with signature or not."""
SUCCESSFUL = 2
PADDING = (0x00, 0xFF)
"""Bytes that may stand between data objects and mean nothing."""
_LONG_TAG, _LONG_LENGTH, _MORE = 0x1F, 0x80, 0x80
_FIELD = "DE55"


def parse(text: str) -> dict[str, bytes]:
    """Values by tag (upper-case hexadecimal), in their order, of a DE55 in hexadecimal; `text` is pairs of digits.

    Raises MisfitError, its offset in bytes, on a tag or value cut short, a length of an unknown form, a tag twice, or a value
    that is not as long as its tag wants.
    """
    return {tag: value for tag, value, _ in objects(text)}


def objects(text: str) -> Iterator[tuple[str, bytes, int]]:
    """The data objects one by one, as `parse` takes them: tag, value, and where the tag begins, in bytes; the MisfitError
    comes where it belongs, behind what is right. Budget: 0.6 µs an object."""
    data, seen, position = bytes.fromhex(text), set(), 0
    hexadecimal, end = data.hex().upper(), len(data)
    while position < end:
        first = data[position]
        if first in PADDING:
            position += 1
            continue
        # One byte or two, as nearly all tags and lengths are, without a call for them.
        if first & _LONG_TAG != _LONG_TAG:
            start = position + 1
        elif position + 1 < end and data[position + 1] < _MORE:
            start = position + 2
        else:
            start = _end_of_tag(data, position)
        tag = hexadecimal[2 * position : 2 * start]
        size = data[start] if start < end else _MORE
        start, size = (start + 1, size) if size < _LONG_LENGTH else _long_length(data, start)
        value = data[start : start + size]
        if len(value) != size:
            raise _misfit(start, f"{size} bytes of tag {tag}", str(len(value)))
        if tag in seen:
            raise _misfit(position, "a tag that was not there yet", f"{tag} again")
        if LENGTHS.get(tag, size) != size:
            raise _misfit(start, f"{LENGTHS[tag]} bytes of tag {tag}", str(size))
        seen.add(tag)
        yield tag, value, position
        position = start + size


def _misfit(offset: int, expected: str, found: str) -> MisfitError:
    return MisfitError(_FIELD, offset, expected, found, "byte")


def _end_of_tag(data: bytes, position: int) -> int:
    """A tag goes on while bit 8 of its further bytes is set; EMV knows at most three bytes."""
    end, size = position + 1, len(data)
    while end < size and data[end] & _MORE:
        end += 1
    if end >= size or end - position >= 3:
        raise _misfit(position, "a tag of at most three bytes", "no end of it")
    return end + 1


def _long_length(data: bytes, position: int) -> tuple[int, int]:
    """Where the value begins, and its length, when that is not one byte: 81 and one, or 82 and two."""
    if position >= len(data):
        raise _misfit(position, "a length", "nothing")
    count = data[position] - _LONG_LENGTH
    if count not in (1, 2) or position + count >= len(data):
        raise _misfit(position, "a length of one byte, or 81 and one, or 82 and two", "another form")
    return position + 1 + count, int.from_bytes(data[position + 1 : position + 1 + count], "big")


def build(values: Mapping[str, bytes]) -> str:
    """DE55 of these values, each below 65 536 bytes, as upper-case hexadecimal."""
    return "".join(f"{tag}{_written_length(len(value))}{value.hex().upper()}" for tag, value in values.items())


def _written_length(size: int) -> str:
    assert size < 1 << 16
    if size < _LONG_LENGTH:
        return f"{size:02X}"
    return f"81{size:02X}" if size < 1 << 8 else f"82{size:04X}"


def signed_data(values: Mapping[str, bytes]) -> bytes | None:
    """What the cryptogram was computed over; None when a part of it is not there."""
    if any(tag not in values for tag in SIGNED):
        return None
    return b"".join(values[tag] for tag in SIGNED)


def has_offline_pin(values: Mapping[str, bytes]) -> bool:
    """Whether 9F34 says that the chip verified the PIN, and that it was right."""
    results = values.get(CVM_RESULTS)
    return results is not None and results[0] & 0x3F in OFFLINE_PIN and results[2] == SUCCESSFUL
