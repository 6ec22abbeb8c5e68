"""Fields in fields. DE48: sub-elements `tt ll value`, any order, unknown ones kept; DE54: groups of amounts (wire.md 3)."""

from __future__ import annotations

from collections.abc import Mapping

from authsvc.errors import PeerError
from authsvc.model import Minor

GROUP = 20
"""Characters of a group of DE54: account type 2, amount type 2, currency 3, C or D, amount 12."""
CASHBACK = "40"


def parse(text: str) -> dict[str, str]:
    """Sub-elements by tag. Raises PeerError("DE48", …) on a header of no digits, a value cut short, a tag twice."""
    elements: dict[str, str] = {}
    position, size = 0, len(text)
    while position < size:
        start = position + 4
        header = text[position:start]
        if len(header) != 4 or not header.isdigit():
            raise PeerError("DE48", f"no tag and length of two digits each at character {position}")
        end = start + int(header[2:])
        if end > size:
            raise PeerError("DE48", f"the sub-element at character {position} is cut short")
        if header[:2] in elements:
            raise PeerError("DE48", f"the sub-element at character {position} is there twice")
        elements[header[:2]] = text[start:end]
        position = end
    return elements


def build(elements: Mapping[str, str]) -> str:
    """DE48 of these sub-elements, in their order; values of at most 99 characters."""
    assert all(len(tag) == 2 and len(value) <= 99 for tag, value in elements.items())
    return "".join(f"{tag}{len(value):02d}{value}" for tag, value in elements.items())


def cashback(amounts: str) -> Minor:
    """The cash part of a payment in DE54, in minor units; 0 when no group is of that type. Raises PeerError("DE54", …)."""
    if len(amounts) % GROUP:
        raise PeerError("DE54", f"is not groups of {GROUP} characters")
    for start in range(0, len(amounts), GROUP):
        group = amounts[start : start + GROUP]
        if group[2:4] == CASHBACK:
            if not group[8:].isdigit():
                raise PeerError("DE54", "the cashback amount is not 12 digits")
            return Minor(int(group[8:]))
    return Minor(0)
