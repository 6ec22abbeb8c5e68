"""Bases of the structs that stand in compiled modules (`native.MODULES`).

mypyc forgets the keywords of a class statement: compiled, a struct could be changed, the collector looked at each, and one
that is an array in JSON was an object. What a base has is inherited, and these are not compiled. The keywords stay in the
statement too, where a type checker reads them; `tests/test_native.py` holds the two together.
"""

from __future__ import annotations

from msgspec import Struct


class Value(Struct, frozen=True, gc=False):
    """Never changes, so it cannot lead back to itself, and the collector need not look."""


class ListedValue(Struct, frozen=True, gc=False, array_like=True):
    """A `Value` that is an array in JSON."""
