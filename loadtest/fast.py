"""Messages at speed, in any dialect and framing: encoded once and patched, answers cut where the first of their shape was.

Encoding comes from the engine's codec, because that knows every dialect; tests hold it equal to pyiso8583, which made the
frames before. Where a field stands is found by encoding twice, so nothing here knows a layout.
"""

from __future__ import annotations

from binascii import hexlify, unhexlify
from collections.abc import Callable, Mapping
from typing import NamedTuple

from authsvc.codec.dialects import DIALECTS, Dialect, MessageError
from authsvc.codec.framing import FRAMINGS, Framing, frame
from loadtest.wire import WireError

_DIGITS = "0123456789ABCDEF"
_OTHERS = str.maketrans(_DIGITS, _DIGITS[1:] + _DIGITS[0])
_DECIMAL = str.maketrans("0123456789", "1234567890")
Convert = Callable[[bytes], bytes]
KNOWN_SHAPES = 256
"""Kept shapes of answers. A host uses a handful; one that sends nonsense must not fill the memory."""


class Wire(NamedTuple):
    """How a host is spoken to. `tpdu`: five bytes, where the framing has them."""

    dialect: Dialect
    framing: Framing
    tpdu: bytes = b""


ASCII = Wire(DIALECTS["iso87-ascii"], FRAMINGS["2b"])


def _ebcdic(text: bytes) -> bytes:
    return text.decode("ascii").encode("cp500")


def _from_ebcdic(data: bytes) -> bytes:
    return data.decode("cp500").encode("ascii", "replace")


def _words(text: bytes) -> bytes:
    return hexlify(text).upper()


_WAYS: tuple[tuple[Convert | None, Convert | None], ...] = (
    (None, None), (unhexlify, hexlify), (_ebcdic, _from_ebcdic), (_words, unhexlify),
)  # fmt: skip
"""From text to what stands on the wire and back: as it is, packed digits or bytes, cp500, characters as hexadecimal."""


class Slot(NamedTuple):
    """Where a field's content stands in a payload. `put`, `get`: text to wire and back; None: the same."""

    start: int
    end: int
    put: Convert | None
    get: Convert | None


def slot_of(name: str, fields: Mapping[str, str], dialect: Dialect) -> Slot:
    """Raises ValueError naming a field whose content stands on the wire in no way that can be patched."""
    payload, value = dialect.encode(fields), fields[name]
    other = dialect.encode({**fields, name: value.translate(_DECIMAL if value.isdigit() else _OTHERS)})
    places = [place for place, (one, two) in enumerate(zip(payload, other, strict=True)) if one != two]
    content = payload[places[0] : places[-1] + 1] if places else b""
    for put, get in _WAYS:
        try:
            fits = (put(value.encode()) if put else value.encode()) == content
        except ValueError:
            continue
        if fits:
            return Slot(places[0], places[-1] + 1, put, get)
    raise ValueError(f"DE{name} cannot be patched in dialect {dialect.name}")


class Template:
    """A frame in which the fields `changing` are filled in anew each time, in this order; each as long as it was."""

    def __init__(self, fields: Mapping[str, str], changing: tuple[str, ...], wire: Wire = ASCII) -> None:
        """Raises ValueError naming what cannot be said in this dialect or framing."""
        payload = wire.dialect.encode(fields)
        if len(payload) + len(wire.tpdu) > wire.framing.largest:
            raise ValueError(
                f"a message of {len(payload)} bytes does not fit a frame of at most {wire.framing.largest}"
            )
        framed = frame(payload, wire.framing, wire.tpdu)
        at, before = len(framed) - len(payload), 0
        slots = [slot_of(name, fields, wire.dialect) for name in changing]
        assert slots == sorted(slots), "fields change in the order of the wire"
        pieces = []
        for slot in slots:
            pieces += [framed[before : at + slot.start].replace(b"%", b"%%"), b"%b"]
            before = at + slot.end
        self._format = b"".join([*pieces, framed[before:].replace(b"%", b"%%")])
        self._puts = [slot.put for slot in slots] if any(slot.put for slot in slots) else None
        self._length = len(framed)
        self._version = at + _mti_end(fields, wire.dialect)

    def fill(self, *values: bytes) -> bytes:
        """The frame with these values, as text."""
        if self._puts is not None:
            values = tuple(put(value) if put else value for put, value in zip(self._puts, values, strict=True))
        filled = self._format % values
        assert len(filled) == self._length
        return filled

    def repeated(self, filled: bytes) -> bytes:
        """The same bytes but for the last digit of the MTI, which is 1."""
        at = self._version
        return filled[:at] + bytes((filled[at] + 1,)) + filled[at + 1 :]


def _mti_end(fields: Mapping[str, str], dialect: Dialect) -> int:
    """Where the last digit of the MTI stands: in its lowest bits, in every dialect."""
    payload, other = (dialect.encode({**fields, "t": fields["t"][:3] + digit}) for digit in "01")
    return next(place for place, (one, two) in enumerate(zip(payload, other, strict=True)) if one != two)


class Reading(NamedTuple):
    """What load needs of an answer, as text. `amount`: DE4, `rrn`: DE37, `authorization`: DE38, `code`: DE39; b"" when
    absent."""

    mti: bytes
    stan: bytes
    amount: bytes
    rrn: bytes
    authorization: bytes
    code: bytes


_READ = ("11", "4", "37", "38", "39")
_NOWHERE = Slot(0, 0, None, None)


class _Shape(NamedTuple):
    mti: bytes
    slots: tuple[Slot, ...]
    plain: bool


class AnswerReader:
    """Reads the answers of one host. The first answer of each shape (length and bitmap) is decoded whole; the others are cut
    at the same places, which is a guess: one that does not turn out as expected is to be read again by `whole`."""

    def __init__(self, wire: Wire = ASCII) -> None:
        self._dialect = wire.dialect
        self._framing = wire.framing
        self._shapes: dict[tuple[int, bytes], _Shape] = {}
        probe = {"t": "0810", "11": "000000"}
        self._prefix = slot_of("11", probe, wire.dialect).start

    def guess(self, payload: bytes) -> Reading:
        """Raises WireError as `whole` does, for a shape not seen before."""
        if self._framing.tpdu:
            payload = self._framing.opened(payload)[1]
        shape = self._shapes.get((len(payload), payload[: self._prefix]))
        if shape is None:
            return self._read(payload)
        if shape.plain:
            (a, b, _, _), (c, d, _, _), (e, f, _, _), (g, h, _, _), (i, j, _, _) = shape.slots
            return Reading(shape.mti, payload[a:b], payload[c:d], payload[e:f], payload[g:h], payload[i:j])
        cut = (get(payload[start:end]) if get else payload[start:end] for start, end, _, get in shape.slots)
        return Reading(shape.mti, *cut)

    def whole(self, payload: bytes) -> Reading:
        """Raises WireError, naming the field, unless the whole payload is one message of the dialect."""
        return self._read(self._framing.opened(payload)[1] if self._framing.tpdu else payload)

    def _read(self, payload: bytes) -> Reading:
        try:
            fields = self._dialect.decode(payload)
        except MessageError as error:
            problem = f"garbled: {error}"
        else:
            self._learn(payload, fields)
            return Reading(fields["t"].encode(), *(fields.get(name, "").encode() for name in _READ))
        raise WireError(problem)

    def _learn(self, payload: bytes, fields: Mapping[str, str]) -> None:
        """Only a shape that encodes to the same bytes again: a host that pads in its own way is read whole each time."""
        if len(self._shapes) >= KNOWN_SHAPES:
            self._shapes.clear()
        try:
            if self._dialect.encode(fields) != payload:
                return
            slots = tuple(slot_of(name, fields, self._dialect) if name in fields else _NOWHERE for name in _READ)
        except ValueError:
            return
        key = (len(payload), payload[: self._prefix])
        self._shapes[key] = _Shape(fields["t"].encode(), slots, not any(slot.get for slot in slots))
