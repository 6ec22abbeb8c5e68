"""What a reversal says of its original: DE90, which message it was, and DE95, the amounts it becomes.

Source: ISO 8583:1987 DE90 and DE95; `wire.md` section 3.
"""

from __future__ import annotations

from authsvc.codec.misfit import MisfitError, shape
from authsvc.model import Minor
from authsvc.model.values import Value

SIZE = 42
AMOUNT = 12


class OriginalData(Value, frozen=True, gc=False):
    """DE90. `mti`: 4 digits, `stan`: 6, `sent`: DE7 of the original, MMDDhhmmss, `acquirer` and `forwarder`: 11 each, with
    their zeros in front. A part of zeros alone is one that the sender does not know."""

    mti: str
    stan: str
    sent: str
    acquirer: str
    forwarder: str


def parse_original(text: str) -> OriginalData:
    """The five parts. Raises MisfitError on anything but 42 digits."""
    if len(text) != SIZE:
        raise MisfitError("DE90", min(len(text), SIZE), f"{SIZE} digits", str(len(text)))
    if not (text.isascii() and text.isdigit()):
        place = next(place for place, character in enumerate(text) if character not in "0123456789")
        raise MisfitError("DE90", place, "a digit", shape(text[place]))
    return OriginalData(text[:4], text[4:10], text[10:20], text[20:31], text[31:])


def build_original(original: OriginalData) -> str:
    """DE90 of these parts."""
    text = f"{original.mti}{original.stan}{original.sent}{original.acquirer}{original.forwarder}"
    assert len(text) == SIZE
    return text


class Replacement(Value, frozen=True, gc=False):
    """DE95. `amount`: what the original is to become, in minor units of DE49; `settlement`, 12 characters, `fee` and
    `settlement_fee`, 9 each: as they came, because senders that do not use them fill them with zeros or with blanks."""

    amount: Minor
    settlement: str = "0" * 12
    fee: str = "0" * 9
    settlement_fee: str = "0" * 9


def parse_replacement(text: str) -> Replacement:
    """The four amounts. Raises MisfitError on anything but 12 digits and 30 characters."""
    if len(text) != SIZE:
        raise MisfitError("DE95", min(len(text), SIZE), f"{SIZE} characters", str(len(text)))
    amount = text[:AMOUNT]
    if not (amount.isascii() and amount.isdigit()):
        raise MisfitError("DE95", 0, f"an amount of {AMOUNT} digits", shape(amount))
    return Replacement(Minor(int(amount)), text[12:24], text[24:33], text[33:])


def build_replacement(replacement: Replacement) -> str:
    """DE95 of these amounts."""
    text = f"{replacement.amount:0{AMOUNT}d}{replacement.settlement}{replacement.fee}{replacement.settlement_fee}"
    assert len(text) == SIZE
    return text
