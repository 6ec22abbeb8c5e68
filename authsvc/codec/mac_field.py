"""Where a message carries its MAC, found from its bitmap alone: nothing else of it is read before the MAC is right.

DE64 in a message with one bitmap, DE128 in one with two; a dialect without DE128 has DE64 only. The MAC is over all bytes of
the message but its own: those in front of it, bitmap with its bit included, and in a dialect where elements can stand behind
it, those too. Source: ISO 8583:1987 elements 64 and 128; docs/decisions/0026-mac.md.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Final

from authsvc.codec.content import UNUSED
from authsvc.codec.layout import Element, Layout, Written

MAC_BYTES: Final = 8
_CHARACTERS = (Written.TEXT, Written.HEX, Written.HEX_TWICE)


class MacField:
    """Of one layout. Bytes in, bytes out. Raises ValueError on a layout whose MAC could not be found: it has no DE128, and
    elements without a fixed length behind DE64."""

    __slots__ = ("_at", "_behind", "_characters", "_has_128", "_packed", "_wide", "_width", "_written")

    def __init__(self, layout: Layout) -> None:
        self._at = layout.bitmap_at
        self._packed = layout.bitmap == "bytes"
        self._wide = layout.bitmap == "wide-hex"
        self._characters = layout.characters
        self._has_128 = layout.contents["128"] is not UNUSED
        element = layout.elements["64"]
        self._written = element.written
        self._width = _width(element)
        self._behind = {} if self._has_128 else _fixed_behind(layout)

    def split(self, payload: bytes) -> tuple[bytes, bytes] | None:
        """What the MAC of this message is over, and the MAC; None when it has none. A MAC that cannot be read is empty."""
        bits, size = self._bitmap(payload)
        place = self._place(bits, size)
        if place is None or not bits >> (size - place) & 1:
            return None
        end = len(payload) - self._size_behind(bits, size)
        start = end - self._width
        return payload[:start] + payload[end:], self._read(payload[start:end])

    def with_mac(self, payload: bytes, mac: Callable[[bytes], bytes]) -> bytes:
        """A message of ours without MAC, with it; `mac`: 8 bytes over the bytes it is given."""
        bits, size = self._bitmap(payload)
        place = self._place(bits, size)
        assert place is not None, "a message of ours has a bitmap"
        bitmap = self._bitmap_of(bits | 1 << (size - place), size)
        end = len(payload) - self._size_behind(bits, size)
        front, behind = payload[: self._at] + bitmap + payload[self._at + len(bitmap) : end], payload[end:]
        return front + self._write(mac(front + behind)) + behind

    def _bitmap(self, payload: bytes) -> tuple[int, int]:
        """As an integer, and its bits: 64 or 128; 0 where it cannot be read."""
        unit = 8 if self._packed else 16
        first = self._bits(payload[self._at : self._at + unit])
        if first < 0:
            return 0, 0
        if not self._wide and not first >> 63:
            return first, 64
        second = self._bits(payload[self._at + unit : self._at + 2 * unit])
        return (first << 64 | second, 128) if second >= 0 else (0, 0)

    def _bits(self, data: bytes) -> int:
        """64 bits; -1 where they are cut short or no hexadecimal digits."""
        if self._packed:
            return int.from_bytes(data, "big") if len(data) == 8 else -1
        try:
            return int.from_bytes(binascii.unhexlify(data.decode(self._characters)), "big") if len(data) == 16 else -1
        except ValueError:
            return -1

    def _bitmap_of(self, bits: int, size: int) -> bytes:
        if self._packed:
            return bits.to_bytes(size // 8, "big")
        return f"{bits:0{size // 4}X}".encode(self._characters)

    def _place(self, bits: int, size: int) -> int | None:
        """Which element the MAC is in; None without a bitmap."""
        if not size or not bits:
            return None
        return 128 if size == 128 and self._has_128 else 64

    def _size_behind(self, bits: int, size: int) -> int:
        """Bytes of the elements behind the MAC."""
        return sum(width for number, width in self._behind.items() if bits >> (size - number) & 1) if size == 128 else 0

    def _read(self, data: bytes) -> bytes:
        try:
            if self._written is Written.BYTES:
                return data
            mac = binascii.unhexlify(data.decode(self._characters))
            return binascii.unhexlify(mac) if self._written is Written.HEX_TWICE else mac
        except ValueError:
            return b""

    def _write(self, mac: bytes) -> bytes:
        assert len(mac) == MAC_BYTES
        if self._written is Written.BYTES:
            return mac
        text = mac.hex().upper()
        if self._written is Written.HEX_TWICE:
            text = text.encode("ascii").hex().upper()
        return text.encode(self._characters)


def _fixed_behind(layout: Layout) -> dict[int, int]:
    """Bytes on the wire of each element behind DE64, where DE128 is not used."""
    widths = {}
    for number in range(65, 128):
        if layout.contents[str(number)] is UNUSED:
            continue
        element = layout.elements[str(number)]
        if element.prefix:
            raise ValueError(f"DE{number}: without DE128, an element behind DE64 must have a fixed length")
        widths[number] = _width(element)
    return widths


def _width(element: Element) -> int:
    """Bytes on the wire of an element without a length in front."""
    if element.written is Written.SIGNED_BCD:
        return 1 + element.length // 2
    return element.length if element.written in (*_CHARACTERS, Written.BYTES) else (element.length + 1) // 2
