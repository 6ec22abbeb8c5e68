"""Messages for Hypothesis: any that a dialect can say, and what is left of one after a few bytes were changed."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from authsvc.codec.content import CONTENT, DIGITS, UNUSED
from authsvc.codec.dialects import Fields
from authsvc.codec.layout import Layout, Written

PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
_BLOCK = st.text("0123456789ABCDEF", min_size=16, max_size=16)
_GIVEN = {
    "2": st.text(string.digits, min_size=12, max_size=19),
    "7": st.sampled_from(["0229235959", "0615100000"]),
    "12": st.just("235959"),
    "13": st.sampled_from(["0101", "0229", "1231"]),
    "14": st.sampled_from(["0001", "9912"]),
    "35": st.sampled_from(
        ["4111111111111111=28122010000000000000", "411111111111111111=2812", "4111111111111111=2812201"]
    ),
    "39": st.text(string.digits + string.ascii_uppercase, min_size=2, max_size=2),
    **dict.fromkeys(("52", "64", "128"), _BLOCK),
    "55": st.binary(max_size=255).map(lambda chip: chip.hex().upper()),
    "95": st.just("000000000100" + "0" * 30),
}


def value_of(layout: Layout, field: str) -> st.SearchStrategy[str]:
    """Any value that field may hold, at any length it may have (long texts are kept short: nothing depends on them)."""
    if field in _GIVEN:
        return _GIVEN[field]
    element, content = layout.elements[field], layout.contents[field]
    if element.written is Written.SIGNED_BCD:
        return st.text(string.digits, min_size=element.length - 1, max_size=element.length - 1).map("C".__add__)
    digits = content is DIGITS or element.kind == "n"
    shortest = element.length if not element.prefix else int(digits)
    longest = element.length if not element.prefix else min(element.length, 30)
    return st.text(string.digits if digits else PRINTABLE, min_size=shortest, max_size=longest)


def used(layout: Layout) -> list[str]:
    """The fields this dialect has, in order."""
    return [field for field in layout.elements if layout.contents[field] is not UNUSED]


def messages(layout: Layout) -> st.SearchStrategy[Fields]:
    """Up to 25 fields of the dialect, in their order, each with a right value."""
    fields = used(layout)
    return st.builds(
        lambda mti, chosen: {"t": mti, **{field: chosen[field] for field in fields if field in chosen}},
        st.sampled_from(["0100", "0110", "0400", "0421", "0800"]),
        st.lists(st.sampled_from(fields), unique=True, min_size=1, max_size=25).flatmap(
            lambda names: st.fixed_dictionaries({field: value_of(layout, field) for field in names})
        ),
    )


CHANGES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3)


def changed(payload: bytes, changes: list[tuple[int, int]], cut: int = 0) -> bytes:
    """`payload` with some bytes replaced, and `cut` bytes gone from its end."""
    data = bytearray(payload)
    for position, byte in changes:
        data[position % len(data)] = byte
    return bytes(data[: len(data) - cut])


assert set(_GIVEN) <= set(CONTENT)
