"""ISO 8583 on the wire, by pyiso8583's own `default_ascii` specification: 2-byte length, then the message.

Fields are named by number ("2", "11"), "t" is the MTI; values are text. The blocking link waits for one answer at a
time: what a person does at a terminal. For load see `generator`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import iso8583
from iso8583.specs import default_ascii

Fields = dict[str, str]

HEADER = 2
"""Bytes of the length before each message: big-endian, without itself."""
ANSWER_SECONDS = 10.0


class WireError(Exception):
    """What came is no answer: garbled, cut off, or nothing at all. The message never holds a value of a field."""


class Answer(NamedTuple):
    """`raw`: the payload as it came, to compare byte for byte."""

    fields: Fields
    raw: bytes

    @property
    def code(self) -> str:
        """DE39, "" when there is none."""
        return self.fields.get("39", "")


def encode(fields: Mapping[str, str]) -> bytes:
    """One message, without its length. Raises ValueError (pyiso8583's) naming the field that does not fit."""
    return bytes(iso8583.encode(dict(fields), default_ascii)[0])


def decode(payload: bytes) -> Fields:
    """Raises WireError naming the field that cannot be read."""
    try:
        fields = iso8583.decode(payload, default_ascii)[0]
    except iso8583.DecodeError as error:
        problem = f"field {error.field} cannot be read at byte {error.pos}"
    else:
        return dict(fields)
    raise WireError(problem)


def frame(payload: bytes) -> bytes:
    return len(payload).to_bytes(HEADER, "big") + payload


class Cutter:
    """Cuts a stream into payloads, however it arrives."""

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, data: bytes) -> Iterator[bytes]:
        """The payloads that are whole now; the rest is kept. Empty ones are keep-alives and left out."""
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        while end - at >= HEADER:
            after = at + HEADER + int.from_bytes(data[at : at + HEADER], "big")
            if after > end:
                break
            if after > at + HEADER:
                yield data[at + HEADER : after]
            at = after
        self._rest = data[at:]


class Link:
    """One connection. Use as a context manager."""

    def __init__(self, host: str, port: int, seconds: float = ANSWER_SECONDS) -> None:
        """Raises OSError when nobody listens. `seconds`: how long to wait for an answer."""
        self._socket = socket.create_connection((host, port), seconds)
        self._cutter = Cutter()
        self._waiting: list[bytes] = []

    def ask(self, fields: Mapping[str, str]) -> Answer:
        """Send one message and wait for its answer. Raises WireError when what comes is not it."""
        self._socket.sendall(frame(encode(fields)))
        raw = self._receive()
        answer = decode(raw)
        for field in ("11", "37"):
            if field in fields and answer.get(field) != fields[field]:
                raise WireError(f"the answer belongs to another message: field {field} differs")
        return Answer(answer, raw)

    def _receive(self) -> bytes:
        while not self._waiting:
            try:
                data = self._socket.recv(65_536)
            except TimeoutError:
                raise WireError("no answer in time") from None
            if not data:
                raise WireError("the link was closed")
            self._waiting += self._cutter.cut(data)
        return self._waiting.pop(0)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
