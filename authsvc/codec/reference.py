"""The reference decoder and encoder: pyiso8583 on a specification made from a layout, and our own checks around it.

Slow, exact, and the judge of the compiled one (`codec.compiled`): what that one does not take comes here for the precise
error. What pyiso8583 cannot express is put into its terms before and taken out of them after: see `_to_words`.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import iso8583
from iso8583.specs import default_ascii
from msgspec import Struct

from authsvc.codec.content import UNUSED
from authsvc.codec.layout import Element, Layout, Written
from authsvc.errors import PeerError

Fields = dict[str, str]
"""pyiso8583's decoded dictionary without its bitmaps: "t" is the MTI, "2" to "128" the data elements, all text (binary
ones in hexadecimal)."""
Spec = dict[str, dict[str, Any]]

_HEX_BITMAP = re.compile(rb"[0-9A-Fa-f]{16}")
_NAMES = {"t": "MTI", "p": "bitmap", "1": "bitmap"}
_CUT_SHORT: Final = "is cut short"
_FOREIGN: Final = "holds bytes that are no characters of this dialect"
_NO_LENGTH: Final = "its length is not digits"
_PROBLEMS = (
    ("Extra data", "the message goes on after its last field"),
    ("Field length is", _CUT_SHORT),
    ("Failed to decode field length", _NO_LENGTH),
    ("Field data is", _NO_LENGTH),  # a negative one, which `int` reads
    ("Failed to decode field, non-hex", "is not hexadecimal digits"),
    ("Failed to decode field", _FOREIGN),
)
"""What pyiso8583 says first → what we say. Its own words are not passed on: no promise keeps values out of them."""
_MISFIT = re.compile(r"Field data is (-?\d+) (?:bytes|nibbles), (larger than maximum|expecting) (\d+)")
_FILLERS = ("0", "F")


class MessageError(PeerError):
    """A payload that is no message of this dialect.

    `fields`: what was decoded and is well formed, enough to answer with if it has an MTI; `position`: byte at which
    reading stopped, -1 when the whole message was cut and a field's content is wrong.
    """

    def __init__(self, field: str, problem: str, fields: Fields, position: int = -1) -> None:
        super().__init__(field, problem)
        self.fields = fields
        self.position = position


class Dissected(Struct, frozen=True):
    """A payload as far as it could be cut. `values`: the fields found, wrong ones too, and "bitmap" in hexadecimal; `spans`:
    where each stands: first byte, first byte behind its length, byte behind its last; `sound`: the fields that are right;
    `error`: what is wrong first, None when nothing is."""

    values: Mapping[str, str]
    spans: Mapping[str, tuple[int, int, int]]
    sound: frozenset[str]
    error: MessageError | None


class Reference:
    """`spec`: the layout as a pyiso8583 specification, not to be changed afterwards."""

    __slots__ = ("_fixed", "_holds", "_layout", "_odd", "_words", "spec")

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.spec = _specification(layout)
        self._holds = {field: content.holds for field, content in layout.contents.items()}
        self._words = {
            field: words for field, element in layout.elements.items() if (words := _to_words(element, layout))
        }
        self._fixed = {field: element for field, element in layout.elements.items() if not element.prefix}
        self._odd = {field for field, row in self.spec.items() if row.get("right_pad")}

    def decode(self, payload: bytes) -> Fields:
        """The fields of one message, each checked. Raises MessageError, a PeerError, on anything else."""
        self._check_bitmap(payload)
        broken: MessageError | None
        try:
            decoded, raw = self._cut(payload)
        except iso8583.DecodeError as error:
            broken = self._explain(error)
        else:
            fields = self._from_words(decoded)
            broken = self._wrong_content(fields) or self._wrong_length(fields, raw)
        # Raised out here, so that pyiso8583's error, which holds the whole payload, is not chained to ours.
        if broken is not None:
            raise broken
        return fields

    def dissect(self, payload: bytes) -> Dissected:
        """The same with every place, for people: it never raises."""
        error: MessageError | None = None
        try:
            sound = self.decode(payload)
        except MessageError as found:
            error, sound = found, found.fields
        values, raw = self._as_far_as_it_goes(payload, error)
        spans, position = {}, 0
        for field, piece in raw.items():
            start = position + len(piece["len"])
            spans[field], position = (position, start, start + len(piece["data"])), start + len(piece["data"])
        if "p" in spans:
            spans["bitmap"] = (spans["p"][0], spans["p"][0], spans.pop("1", spans["p"])[2])
            del spans["p"]
            values = {"t": values["t"], "bitmap": self._bitmap(payload, spans["bitmap"]), **values}
        return Dissected(values, spans, frozenset(sound), error)

    def _as_far_as_it_goes(
        self, payload: bytes, error: MessageError | None
    ) -> tuple[Fields, dict[str, Mapping[str, bytes]]]:
        """Fields and their bytes, in the order of the message, up to where cutting stopped."""
        if error is not None and error.field in ("MTI", "bitmap", "DE65") and error.position >= 0:
            return dict(error.fields), {
                "t": {"len": b"", "data": payload[: self._layout.bitmap_at]}
            } if error.fields else {}
        try:
            decoded, raw = self._cut(payload)
        except iso8583.DecodeError as stop:
            decoded, raw = dict(stop.doc_dec), dict(stop.doc_enc)
            if not stop.msg.startswith("Extra data"):
                decoded.pop(stop.field, None)
                raw = {field: piece for field, piece in raw.items() if field in decoded}
        order = [field for field in ("t", "p", "1") if field in raw] + [field for field in raw if field in self._holds]
        return self._from_words(decoded), {field: raw[field] for field in dict.fromkeys(order)}

    def _bitmap(self, payload: bytes, span: tuple[int, int, int]) -> str:
        data = payload[span[0] : span[2]]
        if self._layout.bitmap == "bytes":
            return data.hex().upper()
        return data.decode(self._layout.characters).upper()

    def encode(self, fields: Mapping[str, str]) -> bytes:
        """The message of these fields; a short fixed field is filled up: blanks after text, zeros before digits.

        Raises ValueError, naming the field, on what does not fit the layout: that is our mistake, not a peer's.
        """
        document = {}
        for field, value in fields.items():
            if self._layout.contents.get(field) is UNUSED:
                raise ValueError(f"{name_of(field)} does not fit dialect {self._layout.name}")
            document[field] = self._on_wire(field, value)
        try:
            payload = bytes(iso8583.encode(document, self.spec)[0])
        except iso8583.EncodeError as error:
            unfit = error.field
        else:
            return _widened(payload) if self._layout.bitmap == "wide-hex" else payload
        raise ValueError(f"{name_of(unfit)} does not fit dialect {self._layout.name}")

    def mti(self, payload: bytes) -> Fields:
        """The MTI alone, if there is one: all that can be answered with when the bitmap is wrong."""
        packed, characters = self._layout.mti == "bcd", self._layout.characters
        mti = payload[:2].hex() if packed else payload[:4].decode(characters, "replace")
        return {"t": mti} if self._holds["t"](mti) else {}

    def _cut(self, payload: bytes) -> tuple[Fields, Mapping[str, Mapping[str, bytes]]]:
        """pyiso8583's two dictionaries. It knows one filler a field; where another one may stand, it is asked again."""
        spec = self.spec
        if self._layout.bitmap == "wide-hex":
            payload = _narrowed(payload)
        for _ in range(len(self._odd) + 1):
            try:
                return iso8583.decode(payload, spec)
            except iso8583.DecodeError as error:
                if not self._may_have_other_filler(error, spec):
                    raise
                field = error.field
            spec = {**spec, field: {**spec[field], "right_pad": _FILLERS[1]}}
        raise AssertionError("every field was asked for with both fillers")

    def _may_have_other_filler(self, error: iso8583.DecodeError, spec: Spec) -> bool:
        return (
            error.field in self._odd
            and spec[error.field]["right_pad"] == _FILLERS[0]
            and _is_filler_problem(_MISFIT.match(error.msg))
        )

    def _check_bitmap(self, payload: bytes) -> None:
        """Refuse the bitmaps that pyiso8583 would take for something else.

        It skips blanks between hexadecimal digits, and it reads bit 65 as a third bitmap, which no dialect has.
        """
        start = self._layout.bitmap_at
        if self._layout.bitmap == "bytes":
            second = start + 8
            if len(payload) > second and payload[start] >= 0x80 and payload[second] >= 0x80:
                raise MessageError("DE65", "is not used in this dialect", self.mti(payload), second)
            return
        wide, second = self._layout.bitmap == "wide-hex", start + 16
        if wide and start <= len(payload) < start + 32:
            raise MessageError("bitmap", _CUT_SHORT, self.mti(payload), start)
        if not self._is_hex(payload, start):
            return
        if wide and payload[start] >= 0x38:
            raise MessageError("bitmap", "its first bit is not clear", self.mti(payload), start)
        if not wide and payload[start] < 0x38:  # "8": below it, bit 1 is clear, and there is no second bitmap
            return
        if self._is_hex(payload, second) and payload[second] >= 0x38:
            raise MessageError("DE65", "is not used in this dialect", self.mti(payload), second)

    def _is_hex(self, payload: bytes, start: int) -> bool:
        """False: it is cut short, and pyiso8583 says where. Raises MessageError on anything but 16 digits."""
        if _HEX_BITMAP.fullmatch(payload, start, start + 16) is not None:
            return True
        if len(payload) < start + 16:
            return False
        raise MessageError("bitmap", "is not hexadecimal digits", self.mti(payload), start)

    def _from_words(self, decoded: Mapping[str, str]) -> Fields:
        words = self._words
        return {
            field: words[field][0](value) if field in words else value
            for field, value in decoded.items()
            if field not in ("p", "1")
        }

    def _on_wire(self, field: str, value: str) -> str:
        """`value` in pyiso8583's words, filled up to its length."""
        element = self._fixed.get(field)
        if element is not None and element.kind != "b":
            length = element.length
            value = value.rjust(length, "0") if element.kind == "n" else value.ljust(length)
        return self._words[field][1](value) if field in self._words else value

    def _wrong_content(self, fields: Fields) -> MessageError | None:
        """The first field that says what it may not; None when all are right."""
        for field, value in fields.items():
            if not value.isascii():
                return MessageError(name_of(field), _FOREIGN, self._sound(fields))
            if not self._holds[field](value):
                return MessageError(name_of(field), self._layout.contents[field].rule, self._sound(fields))
        return None

    def _wrong_length(self, fields: Fields, raw: Mapping[str, Mapping[str, bytes]]) -> MessageError | None:
        """A length that Python's `int` takes and the standard does not, such as b" 5" or b"+5"."""
        if self._layout.lengths == "bcd":
            return None
        for field in fields:
            if not raw[field]["len"].decode(self._layout.characters).isdigit() and raw[field]["len"]:
                sound = {name: value for name, value in fields.items() if name != field}
                return MessageError(name_of(field), _NO_LENGTH, sound)
        return None

    def _sound(self, fields: Mapping[str, str]) -> Fields:
        holds = self._holds
        return {
            field: value
            for field, value in fields.items()
            if field in holds and value.isascii() and holds[field](value)
        }

    def _explain(self, error: iso8583.DecodeError) -> MessageError:
        """Our error for pyiso8583's: field and position, and what is wrong in words that cannot hold a value."""
        decoded = dict(error.doc_dec)
        if not error.msg.startswith("Extra data"):
            decoded.pop(error.field, None)  # it is there, and empty
        misfit = _MISFIT.match(error.msg)
        if misfit is None:
            problem = next((ours for theirs, ours in _PROBLEMS if error.msg.startswith(theirs)), "cannot be read")
        elif misfit[2].startswith("larger"):
            problem = f"is longer than {misfit[3]}"
        elif _is_filler_problem(misfit):
            problem = "has a wrong filler beside its digits"
        else:
            problem = f"{_CUT_SHORT}: {misfit[1]} of {misfit[3]}"
        return MessageError(name_of(error.field), problem, self._sound(self._from_words(decoded)), error.pos)


def name_of(field: str) -> str:
    """As people call it: "DE4", "MTI"."""
    return _NAMES.get(field) or f"DE{field}"


def _is_filler_problem(misfit: re.Match[str] | None) -> bool:
    """pyiso8583 found all bytes of an odd number of digits, and no filler it knows among them."""
    return misfit is not None and int(misfit[1]) == int(misfit[3]) + 1


def _specification(layout: Layout) -> Spec:
    """The layout as a pyiso8583 specification; names of the fields are those of its `default_ascii`."""
    characters = layout.characters
    spec: Spec = {field: dict(default_ascii[field]) for field in ("h", "t", "p", "1")}
    spec["t"]["data_enc"] = "b" if layout.mti == "bcd" else characters
    for bitmap in ("p", "1"):
        spec[bitmap]["data_enc"] = "b" if layout.bitmap == "bytes" else characters
    for field, element in layout.elements.items():
        spec[field] = {**_row(element, layout), "desc": default_ascii[field]["desc"]}
    return spec


def _row(element: Element, layout: Layout) -> dict[str, Any]:
    packed = layout.lengths == "bcd"
    row: dict[str, Any] = {
        "data_enc": layout.characters if element.written in _IN_CHARACTERS else "b",
        "len_enc": "bcd" if packed else layout.characters,
        "len_type": (element.prefix + 1) // 2 if packed else element.prefix,
        "max_len": element.length,
        "len_count": "bytes",
    }
    if element.written is Written.SIGNED_BCD:
        row["max_len"] = 1 + element.length // 2
    elif element.written in (Written.BCD, Written.TRACK_BCD):
        behind = element.prefix and layout.filler == "behind"
        row |= {"len_count": "nibbles", "right_pad" if behind else "left_pad": _FILLERS[0]}
    return row


_IN_CHARACTERS = (Written.TEXT, Written.HEX, Written.HEX_TWICE)

Words = tuple[Callable[[str], str], Callable[[str], str]]


def _to_words(element: Element, layout: Layout) -> Words | None:
    """From pyiso8583's value of a field to ours, and back; None where they are the same.

    It has no sign before packed digits, writes D where a track has "=", and knows no hexadecimal of hexadecimal.
    """
    match element.written:
        case Written.SIGNED_BCD:
            codec = "latin-1" if layout.characters == "ascii" else layout.characters
            return partial(_signed, codec), partial(_unsigned, codec)
        case Written.TRACK_BCD:
            return (lambda value: value.replace("D", "=")), (lambda value: value.replace("=", "D"))
        case Written.HEX_TWICE:
            return read_twice, write_twice
        case _:
            return None


def _signed(codec: str, value: str) -> str:
    return bytes.fromhex(value[:2]).decode(codec) + value[2:]


def _unsigned(codec: str, value: str) -> str:
    return value[:1].encode(codec, "replace").hex().upper() + value[1:]


_TWICE = re.compile(rb"[0-9A-Fa-f]{16}")


def read_twice(value: str) -> str:
    """What hexadecimal characters say: 16 hexadecimal digits of 8 bytes, else themselves, the digits of 16 bytes.

    A block of 16 bytes that all happen to be such digits comes once in 10 to the 17th.
    """
    try:
        inner = binascii.unhexlify(value)
    except ValueError:
        return value
    return inner.decode("ascii") if _TWICE.fullmatch(inner) else value


def write_twice(value: str) -> str:
    """The way back: 16 characters become 32."""
    return value.encode("latin-1", "replace").hex().upper() if len(value) == 16 else value


def _narrowed(payload: bytes) -> bytes:
    """A bitmap of 32 characters with bit 1 set, which makes it two of 16: nothing moves."""
    return b"%b%X%b" % (payload[:4], int(payload[4:5], 16) | 8, payload[5:]) if payload[4:] else payload


def _widened(payload: bytes) -> bytes:
    """One bitmap of 32 characters, bit 1 clear, in place of one or two of 16."""
    first = int(payload[4:5], 16)
    second = b"" if first & 8 else b"0" * 16
    return b"%b%X%b%b%b" % (payload[:4], first & 7, payload[5:20], second, payload[20:])
