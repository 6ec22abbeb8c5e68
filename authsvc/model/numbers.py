"""Whole numbers of an account, side by side in one block of memory.

A tuple of 64 numbers is 64 objects, made one at a time, minutes apart: each message that replaces the tuple touches all of
them, and each lies where nothing else of the message does.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Final

_SIZE: Final = 8
_one = Struct("=q")


class Numbers:
    """A sequence of numbers that never changes, each from -2^63 to 2^63 - 1. In JSON it is an array."""

    def __init__(self, packed: bytes) -> None:
        """`packed`: eight bytes of each, in the byte order of this machine."""
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed) // _SIZE

    def __iter__(self) -> Iterator[int]:
        return iter(array("q", self._packed))

    def __getitem__(self, place: int) -> int:
        """From 0. Raises IndexError."""
        if not 0 <= place < len(self):
            raise IndexError(place)
        found: int = _one.unpack_from(self._packed, place * _SIZE)[0]
        return found

    def __contains__(self, number: int) -> bool:
        """Whether it is one of them."""
        return self._find(number) >= 0

    def __eq__(self, other: object) -> bool:
        return self._packed == other._packed if isinstance(other, Numbers) else tuple(self) == other

    def __hash__(self) -> int:
        return hash(self._packed)

    def __repr__(self) -> str:
        return f"Numbers{tuple(self)}"

    def after(self, forget: int, number: int) -> Numbers:
        """Without the first `forget`, and `number` behind the others. Budget: 1 us."""
        return Numbers(self._packed[forget * _SIZE :] + _one.pack(number))

    def without(self, number: int) -> Numbers:
        """Without one of those that are equal to it; all of them when none is."""
        at = self._find(number)
        return self if at < 0 else Numbers(self._packed[:at] + self._packed[at + _SIZE :])

    def least(self) -> int:
        """Raises ValueError when there is none. Budget: 1 us for 50."""
        return min(array("q", self._packed))

    def _find(self, number: int) -> int:
        """Where its bytes are, -1 when it is not one of them."""
        wanted = _one.pack(number)
        at = self._packed.find(wanted)
        while at > 0 and at % _SIZE:  # the end of one and the beginning of the next
            at = self._packed.find(wanted, at + 1)
        return at


NO_NUMBERS = Numbers(b"")


def numbers_of(values: Iterable[int]) -> Numbers:
    """As they stand. Raises ValueError when one is no whole number, or takes more than eight bytes."""
    try:
        packed = array("q", values).tobytes()
    except (TypeError, OverflowError) as error:
        raise ValueError(f"expected whole numbers of 64 bits: {error}") from None
    return Numbers(packed) if packed else NO_NUMBERS
