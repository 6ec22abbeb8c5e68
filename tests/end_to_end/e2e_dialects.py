"""Peers of every dialect and framing, on pyiso8583 and a plain socket: they know nothing of `authsvc.codec`.

The specifications are written here once more, from the manuals of those who speak them, so that a mistake in ours shows.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

import iso8583
from e2e_wire import Fields
from iso8583.specs import default, default_ascii

Spec = dict[str, dict[str, Any]]
ANSWER_SECONDS = 20.0
PACKED = (3, 4, 5, 6, 7, 11, 12, 13, 14, 18, 19, 22, 23, 25, 70, 90)
PACKED_VARIABLE = (2, 32, 33, 35)
SEPARATED = "35"


def _changed(spec: Any, fields: Any, **changes: object) -> Spec:
    return {name: {**row, **changes} if name in map(str, fields) else dict(row) for name, row in spec.items()}


def _bcd() -> Spec:
    """jPOS iso87binary.xml: numbers and lengths packed, the rest as in pyiso8583's `default`."""
    spec = _changed(default, ["t"], data_enc="b")
    spec = _changed(spec, PACKED, data_enc="b", len_count="nibbles", left_pad="0")
    spec = _changed(spec, PACKED_VARIABLE, data_enc="b", len_count="nibbles", right_pad="0")
    for row in spec.values():
        row |= {"len_enc": "bcd", "len_type": (row["len_type"] + 1) // 2}
    return spec


def _ebcdic() -> Spec:
    spec = _changed(default, default, len_enc="cp500")
    return {name: row if row["data_enc"] == "b" else {**row, "data_enc": "cp500"} for name, row in spec.items()}


class Speech(NamedTuple):
    """A dialect as its peer speaks it."""

    encode: Callable[[Fields], bytes]
    decode: Callable[[bytes], Fields]


def _spoken(spec: Spec) -> Speech:
    def encode(fields: Fields) -> bytes:
        return bytes(iso8583.encode(dict(fields), spec)[0])

    def decode(payload: bytes) -> Fields:
        fields = iso8583.decode(payload, spec)[0]
        return {name: value for name, value in fields.items() if name not in ("p", "1")}

    return Speech(encode, decode)


def _moov() -> Speech:
    """specs.Spec87ASCII: one bitmap of 32 characters, its first bit clear; DE52, a string, in hexadecimal."""
    twice = _spoken({**default_ascii, "52": {**default_ascii["52"], "max_len": 32}})

    def encode(fields: Fields) -> bytes:
        payload = twice.encode(fields | ({"52": fields["52"].encode().hex()} if "52" in fields else {}))
        bits = int(payload[4:20], 16)
        both = payload[20:36] if bits >> 63 else b"0" * 16
        return payload[:4] + b"%016X" % (bits & ~(1 << 63)) + both + payload[36 if bits >> 63 else 20 :]

    def decode(payload: bytes) -> Fields:
        assert int(payload[4:5], 16) < 8, "the first bit is clear"
        return twice.decode(payload[:4] + b"%X" % (int(payload[4:5], 16) | 8) + payload[5:])

    return Speech(encode, decode)


SPEECHES: dict[str, Speech] = {
    "iso87-ascii": _spoken(default_ascii),
    "iso87-ascii-binary": _spoken(default),
    "iso87-bcd": _spoken(_bcd()),
    "iso87-ebcdic": _spoken(_ebcdic()),
    "moov87-wide": _moov(),
}

TPDU = bytes.fromhex("6000011234")
TPDU_BACK = bytes.fromhex("6012340001")
FRAMINGS: dict[str, dict[str, object]] = {
    "2b": {},
    "4b": {"framing": "4b"},
    "2a": {"framing": "2a"},
    "4a": {"framing": "4a"},
    "2b-inclusive": {"inclusive": True},
    "4b-inclusive": {"framing": "4b", "inclusive": True},
    "2a-inclusive": {"framing": "2a", "inclusive": True},
    "4a-inclusive": {"framing": "4a", "inclusive": True},
    "2b-tpdu": {"tpdu": True},
    "4a-tpdu": {"framing": "4a", "tpdu": True},
    "2b-vap": {"vap": True},
    "2b-vap-tpdu": {"vap": True, "tpdu": True},
}
"""Name → the settings of a listener. The name says the same to the peer below."""


class DialectPeer:
    """One link of this dialect and framing."""

    def __init__(self, port: int, dialect: str, framing: str) -> None:
        self.speech = SPEECHES[dialect]
        self._socket = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS)
        self._width, self._ascii = int(framing[0]), framing[1] == "a"
        self._counted = self._width if "inclusive" in framing else 0
        self._zeros = b"\0\0" if "vap" in framing else b""
        self._tpdu = TPDU if "tpdu" in framing else b""

    def ask(self, fields: Fields) -> tuple[Fields, bytes]:
        """The answer, read and as it came."""
        answer = self.ask_payload(self.speech.encode(fields))
        return self.speech.decode(answer), answer

    def ask_payload(self, payload: bytes) -> bytes:
        self.send_payload(payload)
        return self._receive()

    def send_payload(self, payload: bytes) -> None:
        body = self._tpdu + payload
        size = len(body) + self._counted
        header = b"%0*d" % (self._width, size) if self._ascii else size.to_bytes(self._width, "big")
        self._socket.sendall(header + self._zeros + body)

    def finish(self) -> bytes:
        """Say no more, and read what still comes until the engine closes."""
        data = b""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            while part := self._socket.recv(65_536):
                data += part
        self._socket.close()
        return data

    def _receive(self) -> bytes:
        header = self._take(self._width)
        size = int(header) if self._ascii else int.from_bytes(header, "big")
        assert self._take(len(self._zeros)) == self._zeros
        body = self._take(size - self._counted)
        if not self._tpdu:
            return body
        assert body[:5] == TPDU_BACK
        return body[5:]

    def _take(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise ConnectionError("closed by the engine")
            data += part
        return data

    def __enter__(self) -> DialectPeer:
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()
