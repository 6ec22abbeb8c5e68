"""The card in the terminal, as a message tells of it: chip data (DE55) and stripe (DE35, DE45), checked and forgotten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from authsvc.codec import emv, track
from authsvc.codec.reference import Fields
from authsvc.model import Entry
from authsvc.model.values import Value

STRIPE = frozenset({Entry.FALLBACK, Entry.STRIPE, Entry.CONTACTLESS_STRIPE})
ChipAnswer = Callable[[str], str]
"""DE39 -> DE55 of the answer."""


class Checks(Protocol):
    """What is asked of the security module."""

    def cvv_matches(self, cvv: str, pan: str, expiry: str, service_code: str) -> bool:
        """Whether `cvv` is the one of a stripe with that expiry (YYMM) and service code."""

    def cryptogram_version(self, pan: str, issuer_data: bytes) -> int:
        """The cryptogram version in 9F10, 0 when it says none."""

    def cryptogram_verdict(self, pan: str, chip: ChipData) -> str:
        """ "M": right, "N": wrong, "U": of an unknown version."""

    def issuer_authentication(self, pan: str, chip: ChipData, response_code: str) -> bytes:
        """Tag 91 for a right cryptogram and the DE39 of the answer."""


class ChipData(Value, frozen=True, gc=False):
    """A cryptogram and what it takes to check it. `sequence`: PAN sequence number, two digits; `data`: what was signed,
    without the issuer's part; `counter`: 9F36; `unpredictable`: 9F37; `issuer_data`: 9F10; `cryptogram`: 9F26."""

    sequence: str
    data: bytes
    counter: bytes
    unpredictable: bytes
    issuer_data: bytes
    cryptogram: bytes


class CardPresent(Value, frozen=True, gc=False):
    """What was found out: see the fields of the same names in `model.Authorization`. `answer`: makes DE55 of the answer,
    for a right cryptogram alone."""

    cryptogram: str = ""
    cryptogram_version: int = 0
    atc: int = 0
    offline_pin: bool = False
    stripe: str = ""
    cvm: str = ""
    answer: ChipAnswer | None = None


NOTHING = CardPresent()


def card_present(fields: Fields, pan: str, entry: Entry, checks: Checks) -> CardPresent:
    """Check what chip or stripe proves. Raises PeerError("DE55", …) when it is no BER-TLV."""
    if entry in STRIPE:
        stripe = track.stripe_cvv(fields)
        if stripe is not None:
            right = checks.cvv_matches(stripe.cvv, pan, stripe.expiry, stripe.service_code)
            return CardPresent(stripe="M" if right else "N")
    if not fields.get("55"):
        return NOTHING
    values = emv.parse(fields["55"])
    chip = _chip_data(fields, values)
    if chip is None:
        # Without a cryptogram there is nothing to verify; one that lacks what it was computed over cannot be right.
        return CardPresent(
            cryptogram="N" if emv.CRYPTOGRAM in values else "",
            offline_pin=emv.has_offline_pin(values),
            cvm=_cvm(values),
        )
    verdict = checks.cryptogram_verdict(pan, chip)

    def answer(response_code: str) -> str:
        return emv.build({emv.ISSUER_AUTHENTICATION: checks.issuer_authentication(pan, chip, response_code)})

    return CardPresent(
        cryptogram=verdict,
        cryptogram_version=checks.cryptogram_version(pan, chip.issuer_data),
        atc=int.from_bytes(chip.counter, "big"),
        offline_pin=emv.has_offline_pin(values),
        cvm=_cvm(values),
        answer=answer if verdict == "M" else None,
    )


def _cvm(values: Mapping[str, bytes]) -> str:
    """How the terminal says the cardholder was verified (9F34), "" when it does not say, or not in three bytes."""
    results = values.get("9F34", b"").hex().upper()
    return results if len(results) == 6 else ""


def _chip_data(fields: Fields, values: Mapping[str, bytes]) -> ChipData | None:
    data = emv.signed_data(values)
    if data is None or emv.CRYPTOGRAM not in values or emv.ISSUER_DATA not in values:
        return None
    sequence = fields["23"][-2:] if "23" in fields else values.get(emv.SEQUENCE, b"\x00").hex()
    return ChipData(
        sequence=sequence,
        data=data,
        counter=values[emv.COUNTER],
        unpredictable=values["9F37"],
        issuer_data=values[emv.ISSUER_DATA],
        cryptogram=values[emv.CRYPTOGRAM],
    )
