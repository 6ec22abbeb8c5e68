"""A dialect's layout: which elements it has and how each is written, read from the tables in `specs/`.

A new dialect is a new file there and nothing else. Source of the tables: `wire.md` section 2, and each file's own head.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from authsvc.codec.content import CONTENT, DIGITS, SIGNED, TEXT, UNUSED, Content

SPECS = Path(__file__).parent / "specs"
ELEMENTS_FILE = "elements.toml"


class Written(Enum):
    """How an element stands on the wire. Its length counts characters, digits (BCD), bytes (BYTES)."""

    TEXT = "text"
    BCD = "bcd"
    SIGNED_BCD = "signed-bcd"
    TRACK_BCD = "track-bcd"
    HEX = "hex"
    BYTES = "bytes"
    HEX_TWICE = "hex-twice"


class Element(Struct, frozen=True):
    """`kind`: of ISO 8583, as "n" or "ans"; `length`: as counted on the wire, the longest when variable; `prefix`: digits
    of the length in front, 0 for a fixed element."""

    field: str
    kind: str
    length: int
    prefix: int
    written: Written


class Layout(Struct, frozen=True):
    """`characters`: a codec of one byte a character; `filler`: where the filler of an odd number of BCD digits stands in a
    variable element; `contents`: what each field may hold, "t" the MTI; `undated`: its speakers leave out DE7."""

    name: str
    characters: str
    mti: Literal["text", "bcd"]
    bitmap: Literal["hex", "bytes", "wide-hex"]
    lengths: Literal["text", "bcd"]
    filler: Literal["before", "behind"]
    elements: Mapping[str, Element]
    contents: Mapping[str, Content]
    undated: bool = False

    @property
    def bitmap_at(self) -> int:
        """Byte at which the bitmap begins."""
        return 2 if self.mti == "bcd" else 4


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """What a dialect's file says. `written`: elements that are not written as their kind is."""

    characters: str
    mti: Literal["text", "bcd"]
    bitmap: Literal["hex", "bytes", "wide-hex"]
    lengths: Literal["text", "bcd"]
    numeric: Literal["text", "bcd"]
    binary: Literal["hex", "bytes"]
    filler: Literal["before", "behind"] = "behind"
    unused: tuple[str, ...] = ()
    undated: bool = False
    elements: dict[str, str] = {}
    written: dict[str, Written] = {}


_ROW = re.compile(r"(?P<kind>n|x\+n|z|an|ans|b)(?P<variable>\.\.)?(?P<length>[0-9]+)")
_BCD = {"n": Written.BCD, "x+n": Written.SIGNED_BCD, "z": Written.TRACK_BCD}


def load_layouts(folder: Path = SPECS) -> dict[str, Layout]:
    """Every dialect of the folder by its name. Raises ValueError naming the file and what is wrong in it."""
    rows = tomllib.loads((folder / ELEMENTS_FILE).read_text("utf-8"))
    files = {path.stem: path for path in folder.glob("*.toml") if path.name != ELEMENTS_FILE}
    return {name: _layout(path, rows) for name, path in sorted(files.items())}


def _layout(path: Path, rows: Mapping[str, str]) -> Layout:
    try:
        file = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File)
        elements = {field: _element(field, row, file) for field, row in {**rows, **file.elements}.items()}
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    return Layout(
        name=path.stem,
        characters=file.characters,
        mti=file.mti,
        bitmap=file.bitmap,
        lengths=file.lengths,
        filler=file.filler,
        elements=elements,
        contents=_contents(elements, _unused(file.unused)),
        undated=file.undated,
    )


def _element(field: str, row: str, file: _File) -> Element:
    parts = _ROW.fullmatch(row)
    if parts is None:
        raise ValueError(f"DE{field}: {row!r} is no kind and length of an element")
    kind, length = parts["kind"], int(parts["length"]) + (parts["kind"] == "x+n")
    written = file.written.get(field) or _written(kind, file)
    if kind == "b":
        length *= {Written.BYTES: 1, Written.HEX: 2, Written.HEX_TWICE: 4}[written]
    prefix = 0 if parts["variable"] is None else 2 if length <= 99 else 3
    return Element(field, kind, length, prefix, written)


def _written(kind: str, file: _File) -> Written:
    if kind == "b":
        return Written(file.binary)
    return _BCD.get(kind, Written.TEXT) if file.numeric == "bcd" else Written.TEXT


def _unused(ranges: tuple[str, ...]) -> set[str]:
    """The fields of "65-89": both ends are in it."""
    fields: set[str] = set()
    for text in ranges:
        first, _, last = text.partition("-")
        fields |= set(map(str, range(int(first), int(last or first) + 1)))
    return fields


def _contents(elements: Mapping[str, Element], unused: set[str]) -> dict[str, Content]:
    """What `CONTENT` says, and what BCD adds: a nibble can be no digit where a character could be anything."""
    contents = dict(CONTENT)
    for field, element in elements.items():
        if field in unused:
            contents[field] = UNUSED
        elif contents[field] is TEXT and element.written in (Written.BCD, Written.SIGNED_BCD):
            contents[field] = DIGITS if element.written is Written.BCD else SIGNED
    return contents
