"""A dialect by its name: payload bytes to fields and back. The rest of the program knows no other part of the codec's wire.

The compiled functions take what is right; the reference takes the rest, and says exactly what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping

from authsvc.codec.compiled import Compiled
from authsvc.codec.layout import Layout, load_layouts
from authsvc.codec.mac_field import MacField
from authsvc.codec.reference import Dissected, Fields, MessageError, Reference, Spec

__all__ = ["DIALECTS", "Dialect", "Fields", "MessageError"]


class Dialect:
    """`name`: as in a listener's configuration; `mac_field`: where its messages carry their MAC."""

    __slots__ = ("_compiled", "_reference", "layout", "mac_field", "name")

    def __init__(self, layout: Layout) -> None:
        self.name = layout.name
        self.layout = layout
        self._reference = Reference(layout)
        self._compiled = Compiled(layout)
        self.mac_field = MacField(layout)

    @property
    def spec(self) -> Spec:
        """As a pyiso8583 specification: names and lengths, for people and tests."""
        return self._reference.spec

    def decode(self, payload: bytes) -> Fields:
        """The fields of one message, each checked against `content.CONTENT`. Budget: 2 µs for 20 fields, 4 from source.

        Raises MessageError, a PeerError, on anything else.
        """
        fields = self._compiled.decode(payload)
        if fields is None:
            fields = self._reference.decode(payload)
            self._compiled.decoded(payload)
        return fields

    def encode(self, fields: Mapping[str, str]) -> bytes:
        """The message of these fields; a short fixed field is filled up: blanks after text, zeros before digits.

        Raises ValueError, naming the field, on what does not fit the dialect: that is our mistake, not a peer's.
        Budget: 1.5 µs for an answer, 3 from source.
        """
        payload = self._compiled.encode(fields)
        if payload is None:
            payload = self._reference.encode(fields)
            self._compiled.encoded(fields)
        return payload

    def dissect(self, payload: bytes) -> Dissected:
        """The message with the place of every field, however broken it is: for people."""
        return self._reference.dissect(payload)

    def begins_at(self, data: bytes, position: int) -> bool:
        """Whether a message of this dialect may begin at `position`: there is an MTI. For people's hex dumps only."""
        start = data[position : position + self.layout.bitmap_at]
        return len(start) == self.layout.bitmap_at and bool(self._reference.mti(start))


DIALECTS: dict[str, Dialect] = {name: Dialect(layout) for name, layout in load_layouts().items()}
