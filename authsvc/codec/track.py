"""What the stripe says besides the card number: service code and CVV (ISO/IEC 7813; the place of the CVV is the schemes').

Track 2: PAN, separator, expiry 4, service code 3, PIN verification 5 (index and PVV), CVV 3. Track 1: after the name
expiry 4, service code 3, and in its last eleven characters 00, CVV 3, 000000.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

SERVICE_CODE = slice(4, 7)
CVV_ON_TRACK_2 = slice(12, 15)
RESERVED_ON_TRACK_1 = 11
NONE = "000"
"""A CVV of zeros is how a track says that it carries none."""


class StripeCvv(Struct, frozen=True):
    """`expiry`: YYMM, `service_code` and `cvv` as the track has them, each of digits. Never printed."""

    expiry: str
    service_code: str
    cvv: str

    def __repr__(self) -> str:
        return "StripeCvv(***)"


def stripe_cvv(fields: Mapping[str, str]) -> StripeCvv | None:
    """The CVV on track 2 (DE35), else on track 1 (DE45); None where the track carries none."""
    if "35" in fields:
        rest = fields["35"].replace("D", "=", 1).partition("=")[2]
        return _checked(rest, rest[CVV_ON_TRACK_2])
    rest = fields.get("45", "").rpartition("^")[2]
    reserved = rest[-RESERVED_ON_TRACK_1:]
    if len(rest) < SERVICE_CODE.stop + RESERVED_ON_TRACK_1 or not reserved.startswith("00"):
        return None
    return _checked(rest, reserved[2:5])


def _checked(rest: str, cvv: str) -> StripeCvv | None:
    expiry, service_code = rest[:4], rest[SERVICE_CODE]
    digits = expiry + service_code + cvv
    if len(digits) != 10 or not digits.isdigit() or cvv == NONE:
        return None
    return StripeCvv(expiry, service_code, cvv)
