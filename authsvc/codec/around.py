"""The bytes around a break, for a person: before it as far as they may be seen, after it their kinds alone.

What was read is shown, and its secrets are stars. What was not read is told by kind, whatever it is: nobody knows where in
it a PAN, a track or a PIN block stands.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from authsvc.codec.layout import Layout

BYTES = 12
Spans = Mapping[str, tuple[int, int, int]]


def around(
    payload: bytes, offset: int, spans: Spans, secret: Collection[str], layout: Layout, count: int = BYTES
) -> tuple[str, str]:
    """At most `count` bytes before and from `offset` on: characters in a dialect of characters, else hexadecimal.

    `secret`: the fields of `spans` whose bytes are shown as stars. Unread bytes: 9 for a digit, A or a for a letter, "?" for
    what is neither; of a byte in hexadecimal each half so.
    """
    start, end = max(0, offset - count), min(len(payload), offset + count)
    shown = [_one(payload, place, spans, secret, layout) for place in range(start, end)]
    between = " " if layout.bitmap == "bytes" else ""
    return between.join(shown[: offset - start]), between.join(shown[offset - start :])


def _one(payload: bytes, place: int, spans: Spans, secret: Collection[str], layout: Layout) -> str:
    inside = next((field for field, (first, _, last) in spans.items() if first <= place < last), None)
    in_bytes = layout.bitmap == "bytes"
    text = payload[place : place + 1].hex().upper() if in_bytes else _character(payload[place], layout)
    if inside is None:
        return "".join(map(_kind, text))
    return "*" * len(text) if inside in secret else text


def _character(byte: int, layout: Layout) -> str:
    character = bytes((byte,)).decode(layout.characters, "replace")
    return character if character.isascii() and character.isprintable() else "?"


def _kind(character: str) -> str:
    if character.isdigit():
        return "9"
    if character.isalpha():
        return "A" if character.isupper() else "a"
    return character if character == " " else "?"
