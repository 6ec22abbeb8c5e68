"""DE55: what the chip said, as BER-TLV; unknown tags are kept. And the answer to the chip.

Lengths are checked here, so that the security module gets bytes it can compute with. Sources: EMV 4.3 Book 3 annex A
(tags, lengths) and annex B (BER-TLV); `wire.md` section 3.
"""

from __future__ import annotations

from collections.abc import Mapping

from authsvc.errors import PeerError

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
_LONG_TAG, _LONG_LENGTH, _MORE = 0x1F, 0x80, 0x80


def parse(text: str) -> dict[str, bytes]:
    """Values by tag (upper-case hexadecimal) of a DE55 in hexadecimal; `text` is pairs of digits.

    Raises PeerError("DE55", …) on a tag or value cut short, a length of an unknown form, a tag twice, or a value that is
    not as long as its tag wants.
    """
    data, values, position = bytes.fromhex(text), {}, 0
    while position < len(data):
        if data[position] in (0x00, 0xFF):  # padding between objects
            position += 1
            continue
        start = _end_of_tag(data, position)
        tag = data[position:start].hex().upper()
        start, size = _length(data, start)
        position = start + size
        value = data[start:position]
        if len(value) != size:
            raise PeerError("DE55", f"the value of tag {tag} is cut short")
        if tag in values:
            raise PeerError("DE55", f"tag {tag} is there twice")
        if LENGTHS.get(tag, size) != size:
            raise PeerError("DE55", f"tag {tag} is not {LENGTHS[tag]} bytes long")
        values[tag] = value
    return values


def _end_of_tag(data: bytes, position: int) -> int:
    """A tag goes on while bit 8 of its further bytes is set; EMV knows at most three bytes."""
    end = position + 1
    if data[position] & _LONG_TAG != _LONG_TAG:
        return end
    while end < len(data) and data[end] & _MORE:
        end += 1
    if end >= len(data) or end - position >= 3:
        raise PeerError("DE55", f"the tag at byte {position} has no end")
    return end + 1


def _length(data: bytes, position: int) -> tuple[int, int]:
    """Where the value begins, and its length: one byte, or 81 and one, or 82 and two."""
    if position >= len(data):
        raise PeerError("DE55", "a tag has no length")
    first = data[position]
    if first < _LONG_LENGTH:
        return position + 1, first
    count = first - _LONG_LENGTH
    if count not in (1, 2) or position + count >= len(data):
        raise PeerError("DE55", f"the length at byte {position} is of no known form")
    return position + 1 + count, int.from_bytes(data[position + 1 : position + 1 + count], "big")


def build(values: Mapping[str, bytes]) -> str:
    """DE55 of these values, each below 128 bytes, as upper-case hexadecimal."""
    assert all(len(value) < _LONG_LENGTH for value in values.values())
    return "".join(f"{tag}{len(value):02X}{value.hex().upper()}" for tag, value in values.items())


def signed_data(values: Mapping[str, bytes]) -> bytes | None:
    """What the cryptogram was computed over; None when a part of it is not there."""
    if any(tag not in values for tag in SIGNED):
        return None
    return b"".join(values[tag] for tag in SIGNED)


def has_offline_pin(values: Mapping[str, bytes]) -> bool:
    """Whether 9F34 says that the chip verified the PIN, and that it was right."""
    results = values.get(CVM_RESULTS)
    return results is not None and results[0] & 0x3F in OFFLINE_PIN and results[2] == SUCCESSFUL
