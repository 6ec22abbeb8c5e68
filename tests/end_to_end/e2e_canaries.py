"""What must be nowhere, in every form in which it could have been written down, and the places in which it is looked for."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import redis
from e2e_bank import CANARY_PINS, luhn_number
from e2e_wire import PVV_KEY, ZONE_PIN_KEY, clear_pin_block, cvv2, pin_block

from authsvc.engine import COPY_PATIENCE_SECONDS

PAN = luhn_number("557529135792468")
STRANGER = luhn_number("418039112233445")
"""A number that is never issued."""
PIN, WRONG_PIN, NEW_PIN = CANARY_PINS
LONG_PIN = "739173917391"
EXPIRY = "2812"
TRACK_REST = "2011987654321"
TOKEN = "canary-token-8f31"


def forms(text: str) -> list[bytes]:
    """As text, in UTF-16, in EBCDIC, packed at either half of a byte, in base64 at any of its three places, and as the
    hexadecimal of each."""
    data = [text.encode(), text.lower().encode(), text.encode("utf-16-le"), text.encode("cp500")]
    if len(text) % 2 == 0 and re.fullmatch("[0-9A-Fa-f]{12,}", text):
        data += [bytes.fromhex(text), bytes.fromhex(text[1:-1])]
    written = [shape for one in data for shape in (one.hex().encode(), one.hex().upper().encode(), *_in_base64(one))]
    return list(dict.fromkeys([*data, *written]))


def _in_base64(data: bytes) -> Iterator[bytes]:
    """Its characters that do not depend on what stands beside it."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + data)
        first, last = -(-before * 4 // 3), (before + len(data)) * 8 // 6
        yield whole[first:last]
        yield base64.urlsafe_b64encode(bytes(before) + data)[first:last]


@cache
def canaries() -> dict[str, list[bytes]]:
    """Short ones (PIN, CVV2) only in the forms in which they could have been written down."""
    blocks = {
        f"{kind} PIN block of {pan} with {pin}": forms(block)
        for pan in (PAN, STRANGER)
        for pin in (PIN, WRONG_PIN)
        for kind, block in (("clear", clear_pin_block(pin, pan).hex().upper()), ("encrypted", pin_block(pin, pan)))
    }
    named = {
        f"{name} {value}": [f"{mark}{value}{mark}".encode() for mark in ('"', "'", " ")] + [f"{name}={value}".encode()]
        for name, value in (("pin", PIN), ("pin", WRONG_PIN), ("pin", NEW_PIN), ("cvv2", cvv2(PAN, EXPIRY)))
    }
    return {
        "PAN": forms(PAN), "PAN of a stranger": forms(STRANGER), "track 2": forms(TRACK_REST), "long PIN": forms(LONG_PIN),
        "zone key": forms(ZONE_PIN_KEY.hex()), "PVV key": forms(PVV_KEY.hex()), "token": forms(TOKEN),
        "DE48.92": forms(f"9203{cvv2(PAN, EXPIRY)}"), **blocks, **named,
    }  # fmt: skip


def traces_in(data: bytes) -> list[str]:
    """The names of what is in it."""
    return [name for name, shapes in canaries().items() if any(shape in data for shape in shapes)]


def everything_in(copy: redis.Redis) -> bytes:
    """Every key with its value, and as Valkey itself would write it down; the file it writes is left for `every_file`."""
    time.sleep(6 * COPY_PATIENCE_SECONDS + 0.2)  # an account that was busy for some seconds is in it by then
    copy.config_set("rdbcompression", "no")  # what is packed cannot be searched
    found = [b" ".join((key, *copy.hgetall(key).values(), copy.dump(key))) for key in copy.scan_iter()]  # type: ignore[misc]
    assert found
    copy.save()
    return b"\n".join(found)


def every_file(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()
