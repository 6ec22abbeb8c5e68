"""A message as a person reads it: every field with its place, its name, its value, and what it means. For `authsvc describe`.

PANs are masked, unless asked for in clear; what may never be shown is never shown: tracks, PIN block, CVV2, CAVV, MAC, and
what nobody knows the content of. A broken message shows what could be read, where reading stopped, what was expected
there and of what kind the bytes around it are (`docs/decisions/0030-describe.md`).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from authsvc.codec.around import around
from authsvc.codec.dialects import Dialect, MessageError
from authsvc.codec.field_meanings import meaning_of
from authsvc.codec.inner_rows import inner_rows
from authsvc.codec.layout import Element, Layout, Written
from authsvc.codec.misfit import shape
from authsvc.codec.pan import PanDisplay
from authsvc.codec.reference import Dissected

HIDDEN = frozenset({"34", "35", "36", "45", "52", "55", "64", "96", "125", "128"})
"""Fields of which only the length is shown; parts of 35 and 55 follow in rows of their own."""

IN_PARTS = frozenset({"48", "54", "90", "95"})
"""Fields that their parts say better. Whole, 48 would show the CVV2 among them."""

SECRET = HIDDEN | IN_PARTS | {"2"}
"""Fields none of whose bytes are shown beside a break; nor are those of free text."""

FREE_TEXT = frozenset({"43", "44", "46", "47", *map(str, range(56, 64)), *map(str, range(102, 128))})
"""Fields whose content no standard fixes."""


class Row(Struct, frozen=True):
    """One line. `field`: as "DE4" or "DE48.92"; `name`: as in the specification; `value`: fit to be shown; `offset`: of its
    first byte in the message, its length in front included, -1 where a part has no bytes of its own; `length`: bytes."""

    field: str
    name: str
    value: str
    meaning: str = ""
    offset: int = -1
    length: int = 0


class Broken(Struct, frozen=True):
    """Where and why a message cannot be read. `offset`: byte of the message; `problem`: in the words of the answer's log;
    `expected`, `found`: in words and kinds, without values; `before`, `after`: the bytes on either side, see `around`."""

    field: str
    offset: int
    problem: str
    expected: str
    found: str
    before: str
    after: str


class Description(Struct, frozen=True):
    """`length`: of the message, in bytes; `broken`: None when all of it could be read and every field holds what it may."""

    dialect: str
    length: int
    rows: tuple[Row, ...]
    broken: Broken | None = None


def describe(payload: bytes, dialect: Dialect, pan: PanDisplay = PanDisplay.MASKED) -> Description:
    """What `payload` says, field by field. Never raises, whatever the payload is."""
    found = dialect.dissect(payload)
    broken = None if found.error is None else _broken(payload, dialect, found, found.error)
    return Description(dialect.name, len(payload), tuple(_rows(found, dialect, pan)), broken)


def _rows(found: Dissected, dialect: Dialect, pan: PanDisplay) -> Iterator[Row]:
    for field, value in found.values.items():
        start, _, end = found.spans[field]
        row = Row(_label(field), _name(field, dialect), "", offset=start, length=end - start)
        if field == "bitmap":
            yield replace(row, value=value)
        elif field not in found.sound:
            yield replace(row, value=shape(value), meaning=f"broken: {dialect.layout.contents[field].rule}")
        else:
            yield replace(row, value=_shown(field, value, pan), meaning=meaning_of(field, value, found.values))
            yield from _inner(field, value, found, dialect.layout, pan)


def _label(field: str) -> str:
    return {"t": "MTI", "bitmap": "bitmap"}.get(field) or f"DE{field}"


def _name(field: str, dialect: Dialect) -> str:
    return "Bitmap" if field == "bitmap" else str(dialect.spec[field]["desc"])


def _shown(field: str, value: str, pan: PanDisplay) -> str:
    if field in HIDDEN:
        return f"*** ({len(value)} characters)"
    if field in IN_PARTS:
        return f"({len(value)} characters)"
    if field == "2":
        return pan.shown(value)
    # Not in free text alone: in a message whose fields have slipped, a PAN can stand anywhere.
    return pan.text(value)


def _inner(field: str, value: str, found: Dissected, layout: Layout, pan: PanDisplay) -> Iterator[Row]:
    """The parts of a field, each where it stands when a character of the value has its own place on the wire."""
    if field not in layout.elements:
        return
    start, size = found.spans[field][1], _characters_a_byte(layout.elements[field])
    for inner in inner_rows(field, value, found.values, pan):
        placed = size > 0 and inner.offset >= 0
        offset, length = (start + inner.offset // size, -(-inner.length // size)) if placed else (-1, 0)
        yield Row(f"DE{field}{inner.part}", inner.name, inner.value, inner.meaning, offset, length)


def _characters_a_byte(element: Element) -> int:
    """Characters of the value that one byte of the wire holds; 0 where that is not fixed."""
    match element.written:
        case Written.TEXT | Written.HEX:
            return 1
        case Written.HEX_TWICE | Written.SIGNED_BCD:
            return 0
        case _:
            return 2


def _broken(payload: bytes, dialect: Dialect, found: Dissected, error: MessageError) -> Broken:
    field = "t" if error.field == "MTI" else error.field.removeprefix("DE")
    wrong_content = error.position < 0
    offset = found.spans[field][1] if wrong_content and field in found.spans else max(error.position, 0)
    if wrong_content and field in found.values:
        told = shape(found.values[field])
    else:
        left = len(payload) - offset
        told = f"{left} {'byte' if left == 1 else 'bytes'}"
    hidden = {name for name in found.values if name in SECRET or name in FREE_TEXT or name not in found.sound}
    before, after = around(payload, offset, found.spans, hidden - {"bitmap"}, dialect.layout)
    return Broken(error.field, offset, error.problem, _expected(field, error, dialect.layout), told, before, after)


_NOUNS = {
    "n": "digits",
    "x+n": "characters, a sign and digits",
    "z": "characters of a track",
    "an": "letters or digits",
    "b": "bytes",
}


def _expected(field: str, error: MessageError, layout: Layout) -> str:
    """What a message of this dialect has there."""
    if error.problem.startswith("the message goes on"):
        return "the end of the message"
    if field == "t":
        return "a message type: 0, a class 1 to 8, two digits"
    if field == "bitmap":
        kind = "bytes" if layout.bitmap == "bytes" else "hexadecimal characters"
        return f"a bitmap of {8 if layout.bitmap == 'bytes' else 32 if layout.bitmap == 'wide-hex' else 16} {kind}"
    element = layout.elements[field]
    noun = _NOUNS.get(element.kind, "characters")
    if element.kind == "b" and element.written is not Written.BYTES:
        noun = "hexadecimal characters"
    if not element.prefix:
        return f"{element.length} {noun}"
    return f"a length of {element.prefix} digits, and at most {element.length} {noun}"
