"""Source of an encoder for one layout and one set of fields: lengths checked, then one expression for all of the bytes.

Neighbours in characters are put together and encoded at once, neighbours in packed digits or bytes as hexadecimal. A short
fixed field, which has to be filled up, goes to the reference.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from authsvc.codec import tables
from authsvc.codec.content import UNUSED
from authsvc.codec.layout import Element, Layout, Written
from authsvc.codec.reference import write_twice

Encoder = Callable[[Mapping[str, str]], bytes | None]
Piece = tuple[str, str]
"""Of what kind, "text" or "packed", and the inside of an f-string for it."""


def make_encoder(layout: Layout, names: tuple[str, ...]) -> Encoder:
    """Compile the encoder of messages with these fields, "t" among them, in the order they are given."""
    if not layout.elements.keys() >= set(names) - {"t"} or "t" not in names:
        return _refuse
    fields = sorted((name for name in names if name != "t"), key=int)
    if any(layout.contents[field] is UNUSED for field in fields):
        return _refuse
    bitmap = _bitmap(layout, [int(field) for field in fields])
    encoder = tables.encoder(layout, [layout.elements[field] for field in fields], _bytes_of(layout, bitmap))
    if encoder is not None:
        return encoder
    source = _Source(layout)
    source.head(bitmap)
    for field in fields:
        source.element(layout.elements[field])
    return source.compiled(names)


def _refuse(_fields: Mapping[str, str]) -> bytes | None:
    """What no message has is for the reference to name."""
    return None


def _bitmap(layout: Layout, numbers: list[int]) -> str:
    """Both bitmaps, in hexadecimal digits."""
    width = 128 if max(numbers, default=0) > 64 or layout.bitmap == "wide-hex" else 64
    bits = sum(1 << width - number for number in numbers)
    if width == 128 and layout.bitmap != "wide-hex":
        bits |= 1 << 127
    return f"{bits:0{width // 4}X}"


def _bytes_of(layout: Layout, bitmap: str) -> bytes:
    return bytes.fromhex(bitmap) if layout.bitmap == "bytes" else bitmap.encode(layout.characters)


class _Source:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._pieces: list[Piece] = []
        self._lines: list[str] = []
        self._checks: list[str] = []
        self._names: dict[str, Any] = {"unhex": binascii.unhexlify, "write_twice": write_twice}

    def head(self, bitmap: str) -> None:
        """MTI and bitmap."""
        self._pieces.append(("packed" if self._layout.mti == "bcd" else "text", "{vt}"))
        self._checks.append("len(vt) == 4")
        self._pieces.append(("packed" if self._layout.bitmap == "bytes" else "text", bitmap))

    def element(self, element: Element) -> None:
        written, value = element.written, f"v{element.field}"
        if written is Written.TEXT or written is Written.HEX:
            self._sized(element, value, f"len({value})")
            self._pieces.append(("text", f"{{{value}}}"))
        elif written is Written.HEX_TWICE:
            self._lines.append(f"{value} = write_twice({value})")
            self._sized(element, value, f"len({value})")
            self._pieces.append(("text", f"{{{value}}}"))
        elif written is Written.BYTES:
            self._bytes(element, value)
        elif written is Written.SIGNED_BCD:
            self._checks.append(f"len({value}) == {element.length}")
            self._pieces += [("text", f"{{{value}[0]}}"), ("packed", f"{{{value}[1:]}}")]
        else:
            self._packed(element, value)

    def _bytes(self, element: Element, value: str) -> None:
        if element.prefix:
            self._checks.append(f"not len({value}) & 1")
            self._sized(element, value, f"len({value}) // 2")
        else:
            self._checks.append(f"len({value}) == {2 * element.length}")
        self._pieces.append(("packed", f"{{{value}}}"))

    def _packed(self, element: Element, value: str) -> None:
        """Digits two a byte; one of an odd number has a 0 beside it."""
        if element.written is Written.TRACK_BCD:
            self._lines.append(f"{value} = {value}.replace('=', 'D')")
        self._sized(element, value, f"len({value})")
        if not element.prefix:
            self._pieces.append(("packed", f"{'0' * (element.length % 2)}{{{value}}}"))
        elif self._layout.filler == "behind":
            self._pieces.append(("packed", f"{{{value}}}{{'0' * (len({value}) & 1)}}"))
        else:
            self._pieces.append(("packed", f"{{'0' * (len({value}) & 1)}}{{{value}}}"))

    def _sized(self, element: Element, value: str, length: str) -> None:
        """The right length, or the length in front: a table of them, so that one too long is an IndexError."""
        if not element.prefix:
            self._checks.append(f"len({value}) == {element.length}")
            return
        packed = self._layout.lengths == "bcd"
        width = element.prefix + element.prefix % 2 if packed else element.prefix
        self._names[f"L{element.field}"] = tuple(f"{size:0{width}d}" for size in range(element.length + 1))
        self._pieces.append(("packed" if packed else "text", f"{{L{element.field}[{length}]}}"))

    def compiled(self, names: tuple[str, ...]) -> Encoder:
        self._names["values"] = itemgetter(*names)
        parts = []
        for kind, group in groupby(self._pieces, key=itemgetter(0)):
            inside = "".join(text for _, text in group)
            whole = f'f"{inside}"'
            parts.append(f"unhex({whole})" if kind == "packed" else f"{whole}.encode({self._layout.characters!r})")
        lines = [f"{', '.join(f'v{name}' for name in names)} = values(fields)", *self._lines]
        lines += [f"if {' and '.join(self._checks)}:", f"    return {' + '.join(parts)}"]
        source = ["def encode(fields):", "    try:", *(f"        {line}" for line in lines)]
        source += ["    except (IndexError, ValueError):", "        pass", "    return None"]
        namespace = dict(self._names)
        exec(compile("\n".join(source), "<authsvc.codec.encoders>", "exec"), namespace)
        encoder: Encoder = namespace["encode"]
        return encoder
