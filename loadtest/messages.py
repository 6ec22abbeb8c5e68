"""What a terminal says. PIN blocks are real ones: ISO-0 by psec, under the zone PIN key of the link.

Amounts are grosze. Every message is fields for `wire.encode`; nothing here touches a socket or reads a clock.
"""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import psec
from cryptography.utils import CryptographyDeprecationWarning

from loadtest.wire import Fields

# psec's TDES works; that cryptography will move it is nothing a player of stories can do anything about.
warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning, module="psec")

WARSAW = ZoneInfo("Europe/Warsaw")
ACQUIRER = "00000123456"
PLN = "985"
POLAND = "616"
SHOP = "SKLEP SPOZYWCZY        WARSZAWA       PL"
"""DE43: name 23, city 14, country 3. Forty characters, as the field is fixed."""


class Kind(StrEnum):
    """What is sent. The first six are drawn from a mix by these names; what follows them refers to a payment before."""

    CHIP_PIN = "chip_pin"
    CONTACTLESS = "contactless"
    ATM = "atm"
    WEB = "web"
    WRONG_PIN = "wrong_pin"
    ADVICE = "advice"
    PRESENTMENT = "presentment"
    REVERSAL = "reversal"
    REPEAT = "repeat"
    ECHO = "echo"


class Card(NamedTuple):
    """A card as a terminal reads it. `expiry`: YYMM; `account`, `card`: its names in the control API."""

    pan: str
    expiry: str
    pin: str
    account: str = ""
    card: str = ""

    def __repr__(self) -> str:
        return f"Card(··{self.pan[-4:]})"


class Shape(NamedTuple):
    """How a kind of payment looks: DE3, DE22, DE25, usual DE18, whether a PIN comes with it; `private`: DE48; `response`:
    DE39, of an advice, which tells what was answered elsewhere."""

    processing: str
    entry: str
    condition: str
    mcc: str
    pin: bool
    private: str = ""
    mti: str = "0100"
    response: str = ""


SHAPES: dict[Kind, Shape] = {
    Kind.CHIP_PIN: Shape("000000", "051", "00", "5411", pin=True),
    Kind.CONTACTLESS: Shape("000000", "071", "00", "5411", pin=False),
    Kind.ATM: Shape("010000", "051", "02", "6011", pin=True),
    Kind.WEB: Shape("000000", "812", "59", "5732", pin=False, private="4203210"),  # DE48.42 = 210: not authenticated
    Kind.WRONG_PIN: Shape("000000", "051", "00", "5411", pin=True),
    Kind.ADVICE: Shape(
        "000000", "051", "00", "5411", pin=False, mti="0120", response="Y1"
    ),  # approved by the chip alone
}


def zone_key(path: Path) -> bytes:
    """The zone PIN key of a key file. Raises ValueError naming file and key, never the value."""
    try:
        return bytes.fromhex(tomllib.loads(path.read_text("utf-8"))["zone_pin"])
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        problem = f"{path}: zone_pin cannot be read: {type(error).__name__}"
    raise ValueError(problem)


def pin_block(zone: bytes, pin: str, pan: str) -> str:
    """DE52: the ISO-0 block of a PIN, encrypted, as 16 hexadecimal characters."""
    return psec.des.encrypt_tdes_ecb(zone, psec.pinblock.encode_pinblock_iso_0(pin, pan)).hex().upper()


def pin_blocks(zone: bytes, pins_and_pans: Sequence[tuple[str, str]]) -> list[bytes]:
    """DE52 of many cards in one call of the cipher: 16 hexadecimal characters each."""
    clear = b"".join(psec.pinblock.encode_pinblock_iso_0(pin, pan) for pin, pan in pins_and_pans)
    text = psec.des.encrypt_tdes_ecb(zone, clear).hex().upper().encode() if clear else b""
    return [text[start : start + 16] for start in range(0, len(text), 16)]


def luhn(partial: str) -> str:
    """`partial` with its check digit."""
    doubled = [int(digit) * 2 if place % 2 == 0 else int(digit) for place, digit in enumerate(reversed(partial))]
    return f"{partial}{-sum(value - 9 if value > 9 else value for value in doubled) % 10}"


def moments(now: datetime) -> tuple[str, str, str]:
    """DE7 (UTC), DE12 and DE13 (Warsaw, where the terminal stands) of a moment with a time zone."""
    local = now.astimezone(WARSAW)
    return f"{now.astimezone(ZoneInfo('UTC')):%m%d%H%M%S}", f"{local:%H%M%S}", f"{local:%m%d}"


class Terminal:
    """Makes messages with STANs and RRNs of its own, from `first` on. `name`: DE41; `merchant`: DE42."""

    def __init__(self, zone: bytes, first: int, name: str = "LOADTST1", merchant: str = "MERCHANT0000001") -> None:
        assert (len(name), len(merchant)) == (8, 15)
        self._zone = zone
        self._numbers: Iterator[int] = count(first)
        self._name = name
        self._merchant = merchant

    def pay(self, kind: Kind, card: Card, amount: int, now: datetime, pin: str | None = None, mcc: str = "") -> Fields:
        """An 0100. `pin`: what is typed; None: the right one where this kind of payment has one, else none."""
        shape = SHAPES[kind]
        sent, time, day = moments(now)
        number = next(self._numbers)
        message = {
            "t": shape.mti, "2": card.pan, "3": shape.processing, "4": f"{amount:012}", "7": sent,
            "11": f"{number % 1_000_000:06}", "12": time, "13": day, "14": card.expiry, "18": mcc or shape.mcc,
            "19": POLAND, "22": shape.entry, "25": shape.condition, "32": ACQUIRER, "37": f"{number % 10**12:012}",
            "41": self._name, "42": self._merchant, "43": SHOP, "49": PLN,
        }  # fmt: skip
        if shape.private:
            message["48"] = shape.private
        if shape.response:
            message["39"] = shape.response
        typed = card.pin if pin is None and shape.pin else pin
        if typed:
            message["52"] = pin_block(self._zone, typed, card.pan)
        return message

    def reverse(self, original: Mapping[str, str], now: datetime, becomes: int | None = None) -> Fields:
        """An 0400 of `original`; `becomes`: the amount that stays (DE95), None: none. It keeps the RRN: one payment."""
        sent, time, day = moments(now)
        left_out = ("48", "52", "55")
        message = {field: value for field, value in original.items() if field not in left_out}
        message |= {"t": "0400", "7": sent, "11": f"{next(self._numbers) % 1_000_000:06}", "12": time, "13": day}
        message["90"] = original["t"] + original["11"] + original["7"] + original["32"] + "0" * 11
        if becomes is not None:
            message["95"] = f"{becomes:012}" + "0" * 30
        return message

    def present(self, original: Mapping[str, str], code: str, now: datetime) -> Fields:
        """An 0220 that claims all of `original`, whose DE38 was `code`."""
        sent, time, day = moments(now)
        message = {field: value for field, value in original.items() if field not in ("48", "52", "55")}
        message |= {
            "t": "0220",
            "7": sent,
            "11": f"{next(self._numbers) % 1_000_000:06}",
            "12": time,
            "13": day,
            "38": code,
        }
        message["90"] = original["t"] + original["11"] + original["7"] + original["32"] + "0" * 11
        return message

    def echo(self, now: datetime) -> Fields:
        """An 0800 echo test."""
        return {"t": "0800", "7": moments(now)[0], "11": f"{next(self._numbers) % 1_000_000:06}", "70": "301"}


def repeat(original: Mapping[str, str]) -> Fields:
    """The same message again, after no answer came: 0100 → 0101, nothing else differs."""
    return {**original, "t": original["t"][:3] + "1"}
