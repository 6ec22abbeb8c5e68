"""The other end of a link, on pyiso8583's `default_ascii` and a plain socket: it knows nothing of `authsvc.codec`."""

from __future__ import annotations

import socket
import tomllib
import warnings
from collections.abc import Iterable
from pathlib import Path

import iso8583
import psec
from iso8583.specs import default_ascii

Fields = dict[str, str]
ANSWER_SECONDS = 60.0
_KEYS = tomllib.loads((Path(__file__).parents[2] / "config/keys/demo.toml").read_text())
ZONE_PIN_KEY = bytes.fromhex(_KEYS["zone_pin"])
CVV_KEY = bytes.fromhex(_KEYS["cvv"])
PVV_KEY = bytes.fromhex(_KEYS["pvv"])


def encode(fields: Fields) -> bytes:
    return bytes(iso8583.encode(dict(fields), default_ascii)[0])


def decode(payload: bytes) -> Fields:
    fields = iso8583.decode(payload, default_ascii)[0]
    return {name: value for name, value in fields.items() if name not in ("p", "1")}


def framed(payload: bytes) -> bytes:
    """With the 2-byte big-endian length in front that `wire.md` calls `2b`."""
    return len(payload).to_bytes(2, "big") + payload


def clear_pin_block(pin: str, pan: str) -> bytes:
    return bytes(psec.pinblock.encode_pinblock_iso_0(pin, pan))


def pin_block(pin: str, pan: str) -> str:
    """DE52: an ISO-0 block under the demo's zone PIN key."""
    with warnings.catch_warnings(action="ignore"):  # TDES is what the standard says, and what cryptography dislikes
        return bytes(psec.des.encrypt_tdes_ecb(ZONE_PIN_KEY, clear_pin_block(pin, pan))).hex().upper()


def tells_apart(pan: str, *pins: str) -> bool:
    """Whether these PINs have different PVVs on this card: one wrong PIN in ten thousand has the right one's."""
    with warnings.catch_warnings(action="ignore"):
        return len({psec.pin.generate_visa_pvv(PVV_KEY, _KEYS["pvv_index"], pin, pan) for pin in pins}) == len(pins)


def cvv2(pan: str, expiry: str) -> str:
    """The CVV2 of a card, `expiry` YYMM: a CVV with service code 000."""
    with warnings.catch_warnings(action="ignore"):
        return str(psec.cvv.generate_cvv(CVV_KEY, pan, expiry, "000"))


class Wire:
    """One link to an engine's listener. Answers come when they are ready, so several are told apart by their STAN."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS)
        self._buffer = b""

    def send(self, *messages: Fields) -> None:
        self.send_bytes(b"".join(framed(encode(fields)) for fields in messages))

    def send_bytes(self, data: bytes) -> None:
        """As they are: no frame is put around them."""
        self._socket.sendall(data)

    def receive_payload(self) -> bytes:
        """The next answer. Raises ConnectionError when the engine closes instead, TimeoutError when it says nothing."""
        while len(self._buffer) < 2 or len(self._buffer) < 2 + int.from_bytes(self._buffer[:2], "big"):
            data = self._socket.recv(65_536)
            if not data:
                raise ConnectionError("closed by the engine")
            self._buffer += data
        end = 2 + int.from_bytes(self._buffer[:2], "big")
        payload, self._buffer = self._buffer[2:end], self._buffer[end:]
        return payload

    def receive(self) -> Fields:
        return decode(self.receive_payload())

    def ask(self, fields: Fields) -> Fields:
        return decode(self.ask_payload(encode(fields)))

    def ask_payload(self, payload: bytes) -> bytes:
        self.send_bytes(framed(payload))
        return self.receive_payload()

    def ask_all(self, messages: Iterable[Fields]) -> dict[str, Fields]:
        """Send them all in one go, then take all answers, by STAN."""
        waiting = list(messages)
        self.send(*waiting)
        answers = [self.receive() for _ in waiting]
        return {answer["11"]: answer for answer in answers}

    def is_served(self) -> bool:
        """Whether an echo comes back."""
        answer = self.ask({"t": "0800", "7": "0615100000", "11": "999999", "70": "301"})
        return (answer["t"], answer["11"], answer["39"]) == ("0810", "999999", "00")

    def is_closed_by_engine(self) -> bool:
        """Waits for the end of the stream; False when something else comes."""
        try:
            return self._socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)

    def take_little(self) -> None:
        """Offer the engine as little room for answers as a socket can."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
