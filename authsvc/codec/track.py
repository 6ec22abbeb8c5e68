"""What the stripe says: track 2 (DE35), and the CVV of it or of track 1 (ISO/IEC 7813; the place of the CVV is the schemes').

Track 2: PAN, separator, expiry 4, service code 3, the issuer's own: PIN verification 5 (index and PVV), CVV 3, more. Track
1: after the name expiry 4, service code 3, and in its last eleven characters 00, CVV 3, 000000.
"""

from __future__ import annotations

from authsvc.codec.misfit import MisfitError, shape
from authsvc.codec.reference import Fields
from authsvc.model.values import Value

SEPARATOR = "="
SERVICE_CODE = slice(4, 7)
CVV_ON_TRACK_2 = slice(5, 8)
"""Of what is the issuer's own."""
RESERVED_ON_TRACK_1 = 11
NONE = "000"
"""A CVV of zeros is how a track says that it carries none."""
_FIELD = "DE35"


class Track2(Value, frozen=True, gc=False):
    """`expiry`: YYMM, `service_code`: 3 digits, each "" where a separator stands in its place or the track ends before it;
    `discretionary`: the issuer's own part. Never printed."""

    pan: str
    expiry: str = ""
    service_code: str = ""
    discretionary: str = ""

    def __repr__(self) -> str:
        return "Track2(***)"


class StripeCvv(Value, frozen=True, gc=False):
    """`expiry`: YYMM, `service_code` and `cvv` as the track has them, each of digits. Never printed."""

    expiry: str
    service_code: str
    cvv: str

    def __repr__(self) -> str:
        return "StripeCvv(***)"


def split(text: str) -> tuple[str, str]:
    """PAN, and what stands after the separator: "=", or "D" where the track was hexadecimal."""
    pan, _, rest = text.replace("D", SEPARATOR, 1).partition(SEPARATOR)
    return pan, rest


def parse(text: str) -> Track2:
    """The parts of a DE35 that a dialect took. Raises MisfitError on an expiry or service code of too few or no digits."""
    pan, rest = split(text)
    expiry, place = _part(rest, 0, 4, "an expiry YYMM", len(pan) + 1)
    service_code, place = _part(rest, place, 3, "a service code of 3 digits", len(pan) + 1)
    return Track2(pan, expiry, service_code, rest[place:])


def build(track: Track2) -> str:
    """DE35 of these parts."""
    expiry, service_code = track.expiry or SEPARATOR, track.service_code or SEPARATOR
    return f"{track.pan}{SEPARATOR}{expiry}{service_code}{track.discretionary}"


def stripe_cvv(fields: Fields) -> StripeCvv | None:
    """The CVV on track 2 (DE35), else on track 1 (DE45); None where it carries none. Raises MisfitError as `parse` does."""
    if "35" in fields:
        track = parse(fields["35"])
        return _checked(track.expiry, track.service_code, track.discretionary[CVV_ON_TRACK_2])
    rest = fields.get("45", "").rpartition("^")[2]
    reserved = rest[-RESERVED_ON_TRACK_1:]
    if len(rest) < SERVICE_CODE.stop + RESERVED_ON_TRACK_1 or not reserved.startswith("00"):
        return None
    return _checked(rest[:4], rest[SERVICE_CODE], reserved[2:5])


def _part(rest: str, place: int, size: int, expected: str, before: int) -> tuple[str, int]:
    """The part of `size` digits at `place`, and where the next one begins."""
    if not rest[place:]:
        return "", place
    if rest[place] == SEPARATOR:
        return "", place + 1
    part = rest[place : place + size]
    if len(part) != size or not part.isdigit():
        raise MisfitError(_FIELD, before + place, expected, shape(part))
    return part, place + size


def _checked(expiry: str, service_code: str, cvv: str) -> StripeCvv | None:
    digits = expiry + service_code + cvv
    if len(digits) != 10 or not digits.isdigit() or cvv == NONE:
        return None
    return StripeCvv(expiry, service_code, cvv)
