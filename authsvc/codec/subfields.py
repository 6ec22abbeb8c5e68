"""DE48: sub-elements `tt ll value`, digits in front, any order, unknown ones kept (`wire.md` section 3)."""

from __future__ import annotations

from collections.abc import Mapping

from authsvc.codec.misfit import MisfitError, shape

LONGEST = {"22": 7, "42": 7, "63": 15}
"""Of those that the journal keeps, characters: no card number has room in 7. Longer ones are no codes of any network."""
_FIELD = "DE48"


def parse(text: str) -> dict[str, str]:
    """Sub-elements by tag, in their order. Raises MisfitError on a header of no digits, a value cut short, one above
    `LONGEST`, a tag twice."""
    elements: dict[str, str] = {}
    position, size = 0, len(text)
    while position < size:
        start = position + 4
        header = text[position:start]
        if len(header) != 4 or not header.isdigit():
            raise MisfitError(_FIELD, position, "a tag and a length of two digits each", shape(header))
        end = start + int(header[2:])
        if end > size:
            raise MisfitError(_FIELD, start, f"{end - start} characters", str(size - start))
        tag = header[:2]
        if tag in elements:
            raise MisfitError(_FIELD, position, "a tag that was not there yet", "one that was")
        if tag in LONGEST and end - start > LONGEST[tag]:
            raise MisfitError(_FIELD, start, f"at most {LONGEST[tag]} characters", str(end - start))
        elements[tag] = text[start:end]
        position = end
    return elements


def build(elements: Mapping[str, str]) -> str:
    """DE48 of these sub-elements, in their order; values of at most 99 characters."""
    assert all(len(tag) == 2 and len(value) <= 99 for tag, value in elements.items())
    return "".join(f"{tag}{len(value):02d}{value}" for tag, value in elements.items())
