"""A dialect is data: a name and a pyiso8583 specification. Payload bytes to fields and back.

Fields are pyiso8583's decoded dictionary without its bitmaps: "t" is the MTI, "2" to "128" the data elements, all text
(binary ones in hexadecimal). Source: `wire.md` section 2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import iso8583
from iso8583.specs import default_ascii

from authsvc.codec.content import CONTENT, DIGITS, HOLDS
from authsvc.errors import PeerError

Fields = dict[str, str]
Spec = Mapping[str, Mapping[str, Any]]

_HEX_BITMAP = re.compile(rb"[0-9A-Fa-f]{16}")
_NAMES = {"t": "MTI", "p": "bitmap", "1": "bitmap"}
_CUT_SHORT: Final = "is cut short"
_PROBLEMS = (
    ("Extra data", "the message goes on after its last field"),
    ("Field length is", _CUT_SHORT),
    ("Failed to decode field length", "its length is not digits"),
    ("Field data is", "its length is not digits"),  # a negative one, which `int` reads
    ("Failed to decode field, non-hex", "is not hexadecimal digits"),
    ("Failed to decode field", "holds bytes that are no characters of this dialect"),
)
"""What pyiso8583 says first → what we say. Its own words are not passed on: no promise keeps values out of them."""
_MISFIT = re.compile(r"Field data is (-?\d+) (?:bytes|nibbles), (larger than maximum|expecting) (\d+)")


class MessageError(PeerError):
    """A payload that is no message of this dialect.

    `fields`: what was decoded and is well formed, enough to answer with if it has an MTI; `position`: byte at which
    reading stopped, -1 when the whole message was cut and a field's content is wrong.
    """

    def __init__(self, field: str, problem: str, fields: Fields, position: int = -1) -> None:
        super().__init__(field, problem)
        self.fields = fields
        self.position = position


class Dialect:
    """`name`: as in a listener's configuration; `spec`: a pyiso8583 specification, not to be changed afterwards."""

    __slots__ = ("_bitmap_at", "_fixed", "_hex_bitmap", "_variable", "name", "spec")

    def __init__(self, name: str, spec: Spec) -> None:
        self.name = name
        self.spec = spec
        self._hex_bitmap = spec["p"]["data_enc"] != "b"
        self._bitmap_at = 2 if spec["t"]["data_enc"] == "b" else 4
        elements = {field: row for field, row in spec.items() if field.isdigit() and field != "1"}
        self._fixed = {
            field: (row["max_len"] * (2 if row["data_enc"] == "b" else 1), "0" if CONTENT[field] is DIGITS else " ")
            for field, row in elements.items()
            if row["len_type"] == 0
        }
        self._variable = frozenset(
            field for field, row in elements.items() if row["len_type"] and row["len_enc"] not in ("b", "bcd")
        )

    def decode(self, payload: bytes) -> Fields:
        """The fields of one message, each checked against `content.CONTENT`. Budget: 40 µs for 20 fields.

        Raises MessageError, a PeerError, on anything else.
        """
        self._check_bitmap(payload)
        broken: MessageError | None
        try:
            fields, raw = iso8583.decode(payload, self.spec)
        except iso8583.DecodeError as error:
            broken = _explain(error)
        else:
            fields.pop("p", None)
            fields.pop("1", None)
            broken = _wrong_content(fields) or self._wrong_length(fields, raw)
        # Raised out here, so that pyiso8583's error, which holds the whole payload, is not chained to ours.
        if broken is not None:
            raise broken
        return fields

    def encode(self, fields: Mapping[str, str]) -> bytes:
        """The message of these fields; a short fixed field is filled up: blanks after text, zeros before digits.

        Raises ValueError, naming the field, on what does not fit the specification: that is our mistake, not a peer's.
        """
        document = dict(fields)
        for field, value in fields.items():
            fixed = self._fixed.get(field)
            if fixed is not None and len(value) < fixed[0]:
                width, filler = fixed
                document[field] = value.rjust(width, "0") if filler == "0" else value.ljust(width)
        try:
            return bytes(iso8583.encode(document, self.spec)[0])
        except iso8583.EncodeError as error:
            unfit = error.field
        raise ValueError(f"{_name(unfit)} does not fit dialect {self.name}")

    def begins_at(self, data: bytes, position: int) -> bool:
        """Whether a message of this dialect may begin at `position`: there is an MTI. For people's hex dumps only."""
        start = data[position : position + self._bitmap_at]
        return len(start) == self._bitmap_at and bool(_only_mti(start, self.spec))

    def _check_bitmap(self, payload: bytes) -> None:
        """Refuse the bitmaps that pyiso8583 would take for something else.

        It skips blanks between hexadecimal digits, and it reads bit 65 as a third bitmap, which this dialect has not.
        """
        start = self._bitmap_at
        if self._hex_bitmap:
            if _HEX_BITMAP.fullmatch(payload, start, start + 16) is None:
                if len(payload) < start + 16:
                    return  # cut short: pyiso8583 says where
                raise MessageError("bitmap", "is not hexadecimal digits", _only_mti(payload, self.spec), start)
            if payload[start] < 0x38:  # "8": below it, bit 1 is clear, and there is no second bitmap
                return
            second = start + 16
            if _HEX_BITMAP.fullmatch(payload, second, second + 16) is None:
                if len(payload) < second + 16:
                    return
                raise MessageError("bitmap", "is not hexadecimal digits", _only_mti(payload, self.spec), second)
            third = payload[second] >= 0x38
        else:
            second = start + 8
            third = len(payload) > second and payload[start] >= 0x80 and payload[second] >= 0x80
        if third:
            raise MessageError("DE65", "is not used in this dialect", _only_mti(payload, self.spec), second)

    def _wrong_length(self, fields: Fields, raw: Mapping[str, Mapping[str, bytes]]) -> MessageError | None:
        """A length that Python's `int` takes and the standard does not, such as b" 5" or b"+5"."""
        for field in self._variable & raw.keys():
            length = raw[field]["len"]
            if not length.decode(self.spec[field]["len_enc"]).isdigit():
                sound = {name: value for name, value in fields.items() if name != field}
                return MessageError(_name(field), "its length is not digits", sound)
        return None


def _name(field: str) -> str:
    return _NAMES.get(field) or f"DE{field}"


def _only_mti(payload: bytes, spec: Spec) -> Fields:
    """The MTI alone, if there is one: all that can be answered with when the bitmap is wrong."""
    encoding = spec["t"]["data_enc"]
    mti = payload[:2].hex() if encoding == "b" else payload[:4].decode(encoding, "replace")
    return {"t": mti} if HOLDS["t"](mti) else {}


def _wrong_content(fields: Fields) -> MessageError | None:
    """The first field that says what it may not; None when all are right."""
    holds = HOLDS
    for field, value in fields.items():
        if not holds[field](value):
            return MessageError(_name(field), CONTENT[field].rule, _sound(fields))
    return None


def _sound(fields: Mapping[str, str]) -> Fields:
    return {field: value for field, value in fields.items() if field in HOLDS and HOLDS[field](value)}


def _explain(error: iso8583.DecodeError) -> MessageError:
    """Our error for pyiso8583's: field and position, and what is wrong in words that cannot hold a value."""
    fields = dict(error.doc_dec)
    if not error.msg.startswith("Extra data"):
        fields.pop(error.field, None)  # it is there, and empty
    misfit = _MISFIT.match(error.msg)
    if misfit is not None:
        found, how, wanted = misfit.groups()
        problem = f"is longer than {wanted}" if how.startswith("larger") else f"{_CUT_SHORT}: {found} of {wanted}"
    else:
        problem = next((ours for theirs, ours in _PROBLEMS if error.msg.startswith(theirs)), "cannot be read")
    return MessageError(_name(error.field), problem, _sound(fields), error.pos)


def _iso87_ascii() -> Spec:
    """pyiso8583's `default_ascii`, which is jPOS's `iso87ascii`, with DE54 as short as the standard has it."""
    return {**default_ascii, "54": {**default_ascii["54"], "max_len": 120}}


DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (Dialect("iso87-ascii", _iso87_ascii()),)}
