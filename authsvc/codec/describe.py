"""A message as a person reads it: every field with its name, its value, and what it means. For `authsvc describe`.

PANs are masked, and what may never be shown is hidden: tracks, PIN block, CVV2, CAVV, chip data, MAC. A broken message
shows what could be read, and where and why reading stopped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from authsvc.codec import meanings, subfields
from authsvc.codec.answers import RESPONSES
from authsvc.codec.dialects import Dialect, Fields, MessageError
from authsvc.codec.pan import luhn_ok, mask
from authsvc.errors import PeerError

HIDDEN = frozenset({"34", "35", "36", "45", "52", "55", "64", "96", "125", "128"})
"""Fields of which only the length is shown."""

HIDDEN_SUBELEMENTS = frozenset({"43", "92"})
SHOWN_SUBELEMENTS = frozenset({"22", "42", "61", "63", "87"})

FREE_TEXT = frozenset({"43", "44", "46", "47", *map(str, range(56, 64)), *map(str, range(102, 128))})
"""Fields whose content no standard fixes."""

_LONG_NUMBER = re.compile("[0-9]{13,19}")


class Row(Struct, frozen=True):
    """One line. `field`: as "DE4" or "DE48.92"; `name`: as in the specification; `value`: fit to be shown."""

    field: str
    name: str
    value: str
    meaning: str = ""


def describe(payload: bytes, dialect: Dialect) -> str:
    """The rows of `payload` as lines of text, and a last line that says so when it is broken."""
    found, broken = rows(payload, dialect)
    lines = [f"{row.field:<8}{row.name:<38}{row.value:<24}  {row.meaning}".rstrip() for row in found]
    return "\n".join([*lines, broken] if broken else lines)


def rows(payload: bytes, dialect: Dialect) -> tuple[list[Row], str]:
    """What `payload` says, field by field, and why it is broken, "" when it is not."""
    try:
        fields, broken = dialect.decode(payload), ""
    except MessageError as error:
        where = "content" if error.position < 0 else f"byte {error.position} of {len(payload)}"
        fields, broken = error.fields, f"broken at {error.field} ({where}): {error.problem}"
    return list(_rows(fields, dialect)), broken


def payload_from_text(text: str, dialect: Dialect) -> bytes:
    """The message in what was pasted, or in a file read as Latin-1: hexadecimal or raw, with a 2-byte header or not.

    Raises PeerError("frame", …) when no message of this dialect begins in it.
    """
    raw = text.rstrip("\r\n").encode("latin-1", "replace")
    for data in (*_from_hex(text), raw):
        framed = len(data) > 2 and int.from_bytes(data[:2], "big") == len(data) - 2
        if framed and dialect.begins_at(data, 2):
            return data[2:]
        if dialect.begins_at(data, 0):
            return data
    raise PeerError("frame", f"no message of dialect {dialect.name} begins here")


def _from_hex(text: str) -> tuple[bytes, ...]:
    try:
        return (bytes.fromhex(text),)
    except ValueError:
        return ()


def _rows(fields: Fields, dialect: Dialect) -> Iterator[Row]:
    for field, value in fields.items():
        name = str(dialect.spec[field]["desc"])
        label = "MTI" if field == "t" else f"DE{field}"
        yield Row(label, name, _shown(field, value), _meaning(field, value))
        if field == "48":
            yield from _private_rows(value)


def _private_rows(value: str) -> Iterator[Row]:
    try:
        elements = subfields.parse(value)
    except PeerError as error:
        yield Row("DE48", "", "", error.problem)
        return
    for tag, element in elements.items():
        if tag in HIDDEN_SUBELEMENTS:
            shown = _hidden(element)
        else:
            shown = element if tag in SHOWN_SUBELEMENTS else _without_pans(element)
        meaning = meanings.EXEMPTIONS.get(element, "") if tag == "22" else ""
        yield Row(f"DE48.{tag}", meanings.SUBELEMENTS.get(tag, ""), shown, meaning)


def _shown(field: str, value: str) -> str:
    if field in HIDDEN:
        return _hidden(value)
    if field == "2":
        return mask(value)
    # Its sub-elements follow in rows of their own; whole, it would show the CVV2 among them.
    if field == "48":
        return f"({len(value)} characters)"
    return _without_pans(value) if field in FREE_TEXT else value


def _hidden(value: str) -> str:
    return f"*** ({len(value)} characters)"


def _without_pans(value: str) -> str:
    """Free text with every number in it that could be a PAN masked: nobody knows what senders put there."""
    return _LONG_NUMBER.sub(lambda found: mask(found[0]) if luhn_ok(found[0]) else found[0], value)


def _meaning(field: str, value: str) -> str:
    match field:
        case "t":
            return _mti_meaning(value)
        case "3":
            return meanings.PROCESSING.get(value[:2], "")
        case "22":
            return meanings.ENTRY_MODES.get(value[:2], "")
        case "25":
            return meanings.CONDITIONS.get(value, "")
        case "39":
            return meanings.RESPONSE_CODES.get(value, "")
        case "70":
            return meanings.NETWORK.get(value, "")
        case _:
            return ""


def _mti_meaning(mti: str) -> str:
    words = [table.get(digit, "") for table, digit in zip(meanings.MTI_PARTS, mti[1:], strict=True)]
    text = ", ".join(word for word in words if word)
    return text if mti in RESPONSES or mti in RESPONSES.values() else f"{text} (not one we know)"
