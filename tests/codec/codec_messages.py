"""Messages for the tests of the codec: an 0100 and its 0400, as fields, with anything changed or left out."""

from __future__ import annotations

from typing import Any

from authsvc.codec.dialects import DIALECTS, Dialect, Fields
from authsvc.model import AccountId, CardId, CardRef

ASCII: Dialect = DIALECTS["iso87-ascii"]
PAN = "4111111111111111"
CARD = CardRef(AccountId("acc-1"), CardId("card-1"))

_PURCHASE = {
    "t": "0100",
    "2": PAN,
    "3": "000000",
    "4": "000000001000",
    "7": "0615100000",
    "11": "000001",
    "12": "120000",
    "13": "0615",
    "14": "2812",
    "18": "5411",
    "19": "616",
    "22": "051",
    "25": "00",
    "32": "00123456",
    "37": "000000000001",
    "41": "TERM0001",
    "42": "MERCHANT0000001",
    "43": "SKLEP SPOZYWCZY        WARSZAWA       PL",
    "49": "985",
}


def purchase(**changes: str | None) -> Fields:
    """`purchase(f25="51", f14=None)`: field 25 changed, field 14 left out; `t` is the MTI."""
    return _changed(_PURCHASE, changes)


def reversal(**changes: str | None) -> Fields:
    original = "0100" + _PURCHASE["11"] + _PURCHASE["7"] + "00000123456" + "0" * 11
    return _changed({**_PURCHASE, "t": "0400", "11": "000002", "90": original}, changes)


def _changed(fields: Fields, changes: dict[str, Any]) -> Fields:
    merged = {**fields, **{name.removeprefix("f"): value for name, value in changes.items()}}
    return {name: value for name, value in merged.items() if value is not None}


class NoChecks:
    """The security module of a message that needs none: asking it is an error of the test."""

    def offered_pvv(self, pin_block: bytes, pan: str) -> str:
        raise AssertionError((pin_block, pan))

    def cvv2_matches(self, cvv2: str, pan: str, expiry: str) -> bool:
        raise AssertionError((cvv2, pan, expiry))

    def opened_cavv(self, cavv: str, card: str, merchant: str) -> int:
        raise AssertionError((cavv, card, merchant))

    def cvv_matches(self, cvv: str, pan: str, expiry: str, service_code: str) -> bool:
        raise AssertionError((cvv, pan, expiry, service_code))

    def cryptogram_version(self, pan: str, issuer_data: bytes) -> int:
        raise AssertionError((pan, issuer_data))

    def cryptogram_verdict(self, pan: str, chip: object) -> str:
        raise AssertionError((pan, chip))

    def issuer_authentication(self, pan: str, chip: object, response_code: str) -> bytes:
        raise AssertionError((pan, chip, response_code))


class ClearChecks(NoChecks):
    """Stands for keys that change nothing: the PIN block begins with its PIN, its own PVV; every CVV2 is 123."""

    def opened_cavv(self, cavv: str, card: str, merchant: str) -> int:
        """Every proof that begins with A is ours, and its number is one."""
        return int(cavv.startswith("A") and bool(card) and bool(merchant))

    def offered_pvv(self, pin_block: bytes, pan: str) -> str:
        digits = pin_block.hex()[:4]
        if pan != PAN or not digits.isdigit():
            raise ValueError(pin_block)
        return digits

    def cvv2_matches(self, cvv2: str, pan: str, expiry: str) -> bool:
        return (cvv2, pan, expiry) == ("123", PAN, "2812")
