"""The fast way of a message: one decoder per MTI and bitmap, one encoder per set of fields, generated once and kept.

A generated function takes what is right and nothing else. Whatever is odd it hands back as None, and the reference says
what is wrong with it; so this module has no error of its own. Its source, or its table for C (`tables`), comes from the layout
alone (`decoders`, `encoders`), never from what a peer sent: of a message only its MTI, checked, and the numbers of its
fields go in.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Final, Generic, TypeVar

from authsvc.codec.decoders import make_decoder
from authsvc.codec.encoders import make_encoder
from authsvc.codec.layout import Layout
from authsvc.codec.reference import Fields

AFTER_SIGHTS: Final = 16
"""A set of fields is compiled when it was good this often. Compiling costs 0.3 ms, less than sixteen messages cost the
reference, so a peer that invents bitmaps no more than doubles its cost to us."""
MOST_PROGRAMS: Final = 512
MOST_COUNTED: Final = 4096

Key = TypeVar("Key", bound=Hashable)
Program = TypeVar("Program")


class Programs(dict[Key, Program], Generic[Key, Program]):
    """Generated functions by key: at most `most`, the oldest makes room."""

    def __init__(self, make: Callable[[Key], Program], after: int, most: int) -> None:
        super().__init__()
        self._make = make
        self._after = after
        self._most = most
        self._sights: dict[Key, int] = {}

    def saw(self, key: Key) -> None:
        """A good message of this key had no program, or its program handed it back."""
        if key in self:
            return
        sights = self._sights.get(key, 0) + 1
        if sights < self._after:
            if len(self._sights) >= MOST_COUNTED:
                self._sights.clear()
            self._sights[key] = sights
            return
        self._sights.pop(key, None)
        if len(self) >= self._most:
            del self[next(iter(self))]
        self[key] = self._make(key)


class Compiled:
    """One layout's generated functions. `after`: see `AFTER_SIGHTS`; `most`: programs kept, for either way."""

    __slots__ = ("_at", "_decoders", "_encoders", "_end", "_layout", "_second", "_wide_end")

    def __init__(self, layout: Layout, after: int = AFTER_SIGHTS, most: int = MOST_PROGRAMS) -> None:
        binary, wide = layout.bitmap == "bytes", layout.bitmap == "wide-hex"
        width = 8 if binary else 16
        self._at = layout.bitmap_at
        self._wide_end = self._at + 2 * width
        self._end = self._wide_end if wide else self._at + width
        # The first byte from which on bit 1 is set: 0x80, or the character "8" (letters come after it).
        self._second = 0x80 if binary else 0x38
        self._layout = layout
        self._decoders = Programs(self._make_decoder, after, most)
        self._encoders = Programs(self._make_encoder, after, most)

    def decode(self, payload: bytes) -> Fields | None:
        """The fields of a good message; None: ask the reference."""
        try:
            end = self._wide_end if payload[self._at] >= self._second else self._end
        except IndexError:
            return None
        program = self._decoders.get(payload[:end])
        return None if program is None else program(payload)

    def encode(self, fields: Mapping[str, str]) -> bytes | None:
        """The message of these fields; None: ask the reference."""
        program = self._encoders.get(tuple(fields))
        return None if program is None else program(fields)

    def decoded(self, payload: bytes) -> None:
        """The reference found this message good."""
        end = self._wide_end if payload[self._at] >= self._second else self._end
        self._decoders.saw(payload[:end])

    def encoded(self, fields: Mapping[str, str]) -> None:
        """The reference could say these fields."""
        self._encoders.saw(tuple(fields))

    def _make_decoder(self, head: bytes) -> Callable[[bytes], Fields | None]:
        """`head`: MTI and bitmap, as they were on the wire of a good message."""
        bitmap = head[self._at :]
        binary = self._layout.bitmap == "bytes"
        bits = int.from_bytes(bitmap, "big") if binary else int(bitmap, 16)
        width = len(bitmap) * (8 if binary else 4)
        fields = [str(number) for number in range(2, width + 1) if bits >> (width - number) & 1]
        mti = head[:2].hex() if self._layout.mti == "bcd" else head[:4].decode(self._layout.characters)
        return make_decoder(self._layout, mti, fields, len(head))

    def _make_encoder(self, names: tuple[str, ...]) -> Callable[[Mapping[str, str]], bytes | None]:
        return make_encoder(self._layout, names)
