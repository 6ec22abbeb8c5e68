"""What the ledger and the process that writes for it say to each other: msgpack, each message behind its length.

The ledger orders, the writer answers in the same order. Rows come encoded as they go to the disk, so nothing is encoded twice.
"""

from __future__ import annotations

from typing import Generic, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from authsvc.ledger.journal import Row
from authsvc.model import UnixMs

T = TypeVar("T")
_LENGTH = 4
_encode = msgspec.msgpack.Encoder().encode


class Forget(Struct, frozen=True, gc=False, array_like=True, tag=True):
    """Ended holds go, at most `limit` that ended before that moment. Answered by `Forgot`."""

    before: UnixMs
    limit: int


Order: TypeAlias = Row | Forget
"""A row is a message by itself, made when it is decided: put together at the end of a turn, hundreds would be copied three
times more, when they have left the processor's caches. A part of a `Written` answers it."""


class Opened(Struct, frozen=True, gc=False, array_like=True, tag=True):
    """The file is ours and up to date; the first answer of all."""


class NotOpened(Struct, frozen=True, gc=False, array_like=True, tag=True):
    """In place of `Opened`; the writer ends."""

    problem: str


class Written(Struct, frozen=True, gc=False, array_like=True, tag=True):
    """One commit of the next `rows` rows, durable but for those in `lost`: their place among them, and the class of error."""

    rows: int
    lost: dict[int, str]
    seconds: float


class Forgot(Struct, frozen=True, gc=False, array_like=True, tag=True):
    holds: int


class Failed(Struct, frozen=True, gc=False, array_like=True, tag=True):
    """The next `rows` rows were in hand when the ledger broke; `unknown`: whether they are on the disk, nobody knows. What
    was ordered after them was not begun. The writer ends."""

    rows: int
    unknown: bool
    problem: str


Answer: TypeAlias = Opened | NotOpened | Written | Forgot | Failed


def framed(message: Order | Answer) -> bytes:
    """The message as it goes through the pipe."""
    encoded = _encode(message)
    return len(encoded).to_bytes(_LENGTH, "big") + encoded


class Frames(Generic[T]):
    """Cuts what came through a pipe into messages; both ends are ours, so nothing can be wrong with them."""

    def __init__(self, kind: object) -> None:
        self._decode = msgspec.msgpack.Decoder(kind).decode
        self._rest = b""

    def receive(self, data: bytes) -> list[T]:
        """The messages that are whole now."""
        if self._rest:
            data = self._rest + data
        view, messages, start = memoryview(data), [], 0
        while (begin := start + _LENGTH) <= len(data):
            end = begin + int.from_bytes(data[start:begin], "big")
            if end > len(data):
                break
            messages.append(self._decode(view[begin:end]))
            start = end
        self._rest = data[start:]
        return messages
