"""Source of a decoder for one layout and one set of fields: straight-line slices, with every check of the reference.

What stands in a row without a length in front is cut out of one slice, digits are checked a whole row at a time, and a
length is looked up in a table that holds the allowed ones alone. That all of it lay inside the message is known when the
last field ends where the message does.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any

from authsvc.codec import tables
from authsvc.codec.content import (
    CODE,
    CONTENT,
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
)
from authsvc.codec.layout import Element, Layout, Written
from authsvc.codec.reference import Fields, read_twice

SHORT_ROW = 12
"""Digits up to which `str.isdigit` is quicker than cutting the bytes out for `bytes.isdigit`, which is six times as quick."""

Decoder = Callable[[bytes], Fields | None]

_TWICE = Written.HEX_TWICE
_PACKED = (Written.BCD, Written.TRACK_BCD)
_NUMBERS = (DIGITS, MOMENT, TIME, DAY, YEAR_MONTH)
"""Contents that are digits alone, checked a row at a time; the calendar comes on top."""
_CALENDAR = {
    MOMENT: "({v} in MOMENTS or new_moment({v}))",
    TIME: "({v} in TIMES or new_time({v}))",
    DAY: "{v} in DAYS",
    YEAR_MONTH: "{v} in YEAR_MONTHS",
}


def make_decoder(layout: Layout, mti: str, fields: Iterable[str], at: int) -> Decoder:
    """Compile the decoder of messages of this MTI with these fields, in ascending order; `at`: the byte after the bitmap."""
    assert CONTENT["t"].holds(mti), "an MTI that the reference took"
    rows = [layout.elements[field] for field in fields]
    decoder = tables.decoder(layout, mti, rows, at)
    if decoder is not None:
        return decoder
    source = _Source(layout, at)
    for fixed, group in groupby(rows, key=lambda element: not element.prefix):
        if fixed:
            source.fixed(list(group))
        else:
            for element in group:
                source.variable(element)
    return source.compiled(mti, [row.field for row in rows])


class _Source:
    """The lines so far, and where in the message they are: at `base` + `offset`, `base` a variable or ""."""

    def __init__(self, layout: Layout, at: int) -> None:
        self._layout = layout
        self._base, self._offset = "", at
        self._lines: list[str] = []
        self._checks: list[str] = []
        self._names: dict[str, Any] = {
            "DAYS": DAYS, "YEAR_MONTHS": YEAR_MONTHS, "MOMENTS": MOMENTS, "TIMES": TIMES,
            "new_moment": MOMENTS.add_if_right, "new_time": TIMES.add_if_right,
            "unhex": binascii.unhexlify, "read_twice": read_twice,
        }  # fmt: skip
        self._all_ascii = layout.characters == "ascii" and all(
            element.written in (Written.TEXT, Written.HEX, Written.HEX_TWICE) for element in layout.elements.values()
        )

    def fixed(self, elements: list[Element]) -> None:
        """Elements without lengths, one behind the other: a row for each stretch that is cut and checked alike."""
        for _, group in groupby(elements, key=self._alike):
            stretch = list(group)
            if stretch[0].written in (Written.TEXT, *_PACKED):
                self._row(stretch)
            else:
                for element in stretch:
                    self._single(element)

    def _alike(self, element: Element) -> tuple[object, ...]:
        return element.written, self._layout.contents[element.field] in _NUMBERS

    def _row(self, elements: list[Element]) -> None:
        packed = elements[0].written in _PACKED
        cuts, start = [], 0
        for element in elements:
            length = element.length
            if packed and length % 2:
                self._checks.append(f"{_row_name(elements)}[{start}] == '0'")
                start += 1
            cuts.append(slice(start, start + length))
            start += length
        row = _row_name(elements)
        self._lines.append(f"{row} = {self._slice('packed' if packed else 'text', start // 2 if packed else start)}")
        values = ", ".join(f"v{element.field}" for element in elements)
        if len(cuts) > 1:
            self._names[f"cut_{row}"] = itemgetter(*cuts)
            self._lines.append(f"{values} = cut_{row}({row})")
        else:
            self._lines.append(f"{values} = {row}" if cuts[0].start == 0 else f"{values} = {row}[1:]")
        self._check_row(row, elements, start)
        self._offset += start // 2 if packed else start

    def _check_row(self, row: str, elements: list[Element], size: int) -> None:
        packed = elements[0].written in _PACKED
        contents = [self._layout.contents[element.field] for element in elements]
        if contents[0] in _NUMBERS:
            in_bytes = size > SHORT_ROW and not packed and self._layout.characters == "ascii"
            self._checks.append(f"{self._digits(size) if in_bytes else row}.isdigit()")
        elif any(content is TEXT for content in contents):
            self._checks.append(f"{row}.isprintable()")
        if not packed and not self._all_ascii:
            self._checks.append(f"{row}.isascii()")
        for element, content in zip(elements, contents, strict=True):
            if content in _CALENDAR:
                self._checks.append(_CALENDAR[content].format(v=f"v{element.field}"))
            elif content not in (TEXT, DIGITS):
                self._check(element)

    def _digits(self, size: int) -> str:
        """The bytes of a row of digits, and of the digits right before it, which then need no check of their own."""
        before = f"v{self._base[1:]}.isdigit()"
        if self._all_ascii and self._offset == 0 and before in self._checks:
            self._checks.remove(before)
            return f"payload[s{self._base[1:]}:{self._plus(size)}]"
        return self._slice("payload", size)

    def _single(self, element: Element) -> None:
        """One fixed element that is written as its neighbours are not."""
        value, size = f"v{element.field}", element.length
        if element.written is Written.SIGNED_BCD:
            size = 1 + element.length // 2
            self._lines.append(f"{value} = {self._slice('text', 1)} + {self._slice('packed', size)}[2:]")
        elif element.written is Written.BYTES:
            self._lines.append(f"{value} = {self._slice('payload', size)}.hex().upper()")
        else:
            cut = self._slice("text", size)
            self._lines.append(f"{value} = read_twice({cut})" if element.written is _TWICE else f"{value} = {cut}")
        self._check(element)
        self._offset += size

    def variable(self, element: Element) -> None:
        field, value = element.field, f"v{element.field}"
        packed = element.written in _PACKED
        shortest = SHORTEST.get(self._layout.contents[field], 0)
        self._names[f"L{field}"] = _lengths(element.prefix, shortest, element.length, self._layout.lengths == "bcd")
        width = (element.prefix + 1) // 2 if self._layout.lengths == "bcd" else element.prefix
        prefix = self._slice("packed" if self._layout.lengths == "bcd" else "text", width)
        self._lines.append(f"s{field} = {self._plus(width)}")
        if packed:
            self._lines.append(f"n{field} = L{field}[{prefix}]")
            self._lines.append(f"e{field} = s{field} + (n{field} + 1 >> 1)")
        else:
            self._lines.append(f"e{field} = s{field} + L{field}[{prefix}]")
        self._value_of_variable(element, value)
        self._base, self._offset = f"e{field}", 0
        self._check(element)

    def _value_of_variable(self, element: Element, value: str) -> None:
        field = element.field
        if element.written in _PACKED:
            if self._layout.filler == "behind":
                self._lines.append(f"{value} = packed[2 * s{field}:2 * s{field} + n{field}]")
                self._checks.append(f"(not n{field} & 1 or packed[2 * e{field} - 1:2 * e{field}] in FILLERS)")
                self._names["FILLERS"] = ("0", "F")
            else:
                self._lines.append(f"{value} = packed[2 * e{field} - n{field}:2 * e{field}]")
                self._checks.append(f"(not n{field} & 1 or packed[2 * s{field}:2 * s{field} + 1] == '0')")
            if element.written is Written.TRACK_BCD:
                self._lines.append(f"{value} = {value}.replace('D', '=')")
        elif element.written is Written.BYTES:
            self._lines.append(f"{value} = payload[s{field}:e{field}].hex().upper()")
        else:
            self._lines.append(f"{value} = text[s{field}:e{field}]")
            if not self._all_ascii:
                self._checks.append(f"{value}.isascii()")

    def _check(self, element: Element) -> None:
        """What the reference asks of a value, in the quickest words that mean the same."""
        content, value = self._layout.contents[element.field], f"v{element.field}"
        if content in (DIGITS, PAN):
            self._checks.append(f"{value}.isdigit()")
        elif content is TEXT:
            self._checks.append(f"{value}.isprintable()")
        elif content in (HEX, HEX_BYTES):
            if element.written is not Written.BYTES:
                self._checks.append(f"unhex({value}) is not None")
        elif content is CODE:
            self._names["is_code"] = content.holds
            self._checks.append(f"({value}.isalnum() or is_code({value}))")
        else:
            self._names[f"holds{element.field}"] = content.holds
            self._checks.append(f"holds{element.field}({value})")

    def compiled(self, mti: str, fields: list[str]) -> Decoder:
        """The function. Its first check is where the last field ends: after it, no slice can have run over the end."""
        codec = self._layout.characters if self._all_ascii or self._layout.characters != "ascii" else "latin-1"
        opening = [f"text = payload.decode({codec!r})"]
        if any("packed" in line for line in self._lines):
            opening.append("packed = payload.hex().upper()")
        result = ", ".join([f"'t': {mti!r}", *(f"'{field}': v{field}" for field in fields)])
        checks = [f"{self._plus(0)} == len(payload)", *self._checks]
        body = [*opening, *self._lines, f"if {' and '.join(checks)}:", f"    return {{{result}}}"]
        return _function(body, self._names)

    def _slice(self, source: str, size: int) -> str:
        if source == "packed":
            start = f"2 * {self._base}" if self._base else ""
            low, high = 2 * self._offset, 2 * (self._offset + size)
            return f"packed[{start + ' + ' if start else ''}{low}:{start + ' + ' if start else ''}{high}]"
        return f"{source}[{self._plus(0)}:{self._plus(size)}]"

    def _plus(self, size: int) -> str:
        if not self._base:
            return str(self._offset + size)
        return f"{self._base} + {self._offset + size}" if self._offset + size else self._base


def _row_name(elements: list[Element]) -> str:
    return f"r{elements[0].field}"


@cache
def _lengths(prefix: int, shortest: int, longest: int, packed: bool) -> dict[str, int]:
    """Length as it is written → length, for those that are allowed."""
    width = prefix + prefix % 2 if packed else prefix
    return {f"{length:0{width}d}": length for length in range(shortest, longest + 1)}


def _function(body: list[str], names: dict[str, Any]) -> Decoder:
    """Odd lengths are KeyErrors of a table, characters of no codec and no hexadecimal digits ValueErrors."""
    lines = ["def decode(payload):", "    try:", *(f"        {line}" for line in body)]
    lines += ["    except (KeyError, ValueError):", "        pass", "    return None"]
    namespace = dict(names)
    exec(compile("\n".join(lines), "<authsvc.codec.decoders>", "exec"), namespace)
    decoder: Decoder = namespace["decode"]
    return decoder
