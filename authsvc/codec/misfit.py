"""What is wrong inside a field: where, what should be there, and of what kind is what is there; never the value itself."""

from __future__ import annotations

import re

from authsvc.errors import PeerError

SHAPE_MAX = 24
_KINDS = (
    (re.compile("[0-9]"), "9"),
    (re.compile("[A-Z]"), "A"),
    (re.compile("[a-z]"), "a"),
    (re.compile("[^9Aa ]"), "?"),
)


class MisfitError(PeerError):
    """`offset`: where in the field, counted in `unit` ("character", "byte") from 0; `expected`: in words; `found`: a `shape`
    or words of ours. So the message holds nothing of the value, which can be a secret."""

    def __init__(self, field: str, offset: int, expected: str, found: str, unit: str = "character") -> None:
        super().__init__(field, f"at {unit} {offset}: expected {expected}, found {found}")
        self.offset = offset
        self.expected = expected
        self.found = found
        self.unit = unit


def shape(text: str) -> str:
    """`text` with 9 for every digit, A or a for every letter, ? for what is neither nor a blank; long ones are cut."""
    if not text:
        return "nothing"
    kinds = text[:SHAPE_MAX]
    for pattern, kind in _KINDS:
        kinds = pattern.sub(kind, kinds)
    return f'"{kinds}"' if len(text) <= SHAPE_MAX else f'"{kinds}…" ({len(text)} characters)'
