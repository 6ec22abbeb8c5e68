"""Messages in ASCII as tables for `cut`, which is written in C: what `decoders` and `encoders` say in Python for every dialect.

Only where it was compiled (`authsvc.native`), and only for messages all of whose fields are characters or bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from typing import TYPE_CHECKING

from authsvc.codec.content import (
    CODE,
    DAY,
    DAYS,
    DIGITS,
    HEX,
    HEX_BYTES,
    MOMENT,
    MOMENTS,
    PAN,
    SHORTEST,
    TEXT,
    TIME,
    TIMES,
    YEAR_MONTH,
    YEAR_MONTHS,
    Check,
    Content,
)
from authsvc.codec.layout import Element, Layout, Written
from authsvc.codec.reference import Fields

if TYPE_CHECKING:
    from authsvc.codec.cut import Row

try:
    import authsvc.codec.cut as cut
except ModuleNotFoundError:  # not compiled; one that is there and broken is told
    cut = None  # type: ignore[assignment]

_ANY, _PRINTABLE, _DIGIT, _CODE, _HEX = (1 << bit for bit in range(5))
_CHARACTERS = {TEXT: _PRINTABLE, DIGITS: _DIGIT, PAN: _DIGIT, CODE: _CODE, HEX: _HEX, HEX_BYTES: _HEX}
"""Contents that are a matter of their characters, and of how many there are."""
_KNOWN: dict[Content, tuple[Set[str], Check | None]] = {
    MOMENT: (MOMENTS, MOMENTS.add_if_right),
    TIME: (TIMES, TIMES.add_if_right),
    DAY: (DAYS, None),
    YEAR_MONTH: (YEAR_MONTHS, None),
}


def decoder(layout: Layout, mti: str, elements: list[Element], at: int) -> Callable[[bytes], Fields | None] | None:
    """See `decoders.make_decoder`; None where it has to be done in Python."""
    if cut is None or not _is_plain(layout, elements):
        return None
    start = dict.fromkeys(["t", *(element.field for element in elements)], mti)
    return cut.decoder(start, at, tuple([_read(element, layout.contents[element.field]) for element in elements]))


def encoder(
    layout: Layout, elements: list[Element], bitmap: bytes
) -> Callable[[Mapping[str, str]], bytes | None] | None:
    """See `encoders.make_encoder`; `elements` in ascending order, `bitmap` as it stands in the message."""
    if cut is None or not _is_plain(layout, elements):
        return None
    mti = ("t", 0, 4, 4, _ANY, False, False, None, None)
    return cut.encoder(bitmap, (mti, *(_written(element) for element in elements)))


def _is_plain(layout: Layout, elements: Iterable[Element]) -> bool:
    texts = (layout.characters, layout.mti, layout.lengths)
    return texts == ("ascii", "text", "text") and all(
        element.written in (Written.TEXT, Written.HEX, Written.BYTES) for element in elements
    )


def _read(element: Element, content: Content) -> Row:
    """How to read it, with every check of the reference."""
    packed = element.written is Written.BYTES
    shortest, longest = (SHORTEST.get(content, 0), element.length) if element.prefix else (element.length,) * 2
    known, right = _KNOWN.get(content, (None, None if content in _CHARACTERS else content.holds))
    if packed and content not in (
        HEX,
        HEX_BYTES,
    ):  # of bytes everything can be said in hexadecimal digits, and nothing else
        known, right = None, content.holds
    even = not packed and content in (HEX, HEX_BYTES)
    kind = _CHARACTERS.get(content, _ANY)
    return element.field, element.prefix, shortest, longest, kind, packed, even, known, right


def _written(element: Element) -> Row:
    """How to write it; what it holds is ours."""
    packed, shortest = element.written is Written.BYTES, 0 if element.prefix else element.length
    return element.field, element.prefix, shortest, element.length, _ANY, packed, False, None, None
