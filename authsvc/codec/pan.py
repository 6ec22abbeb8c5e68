"""The card number (PAN, DE2): its check digit (ISO/IEC 7812-1 annex B, Luhn), and how it may be shown."""

from __future__ import annotations

import re
from enum import Enum

_VALUES = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLED = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))


def _luhn_sum(digits: str) -> int:
    """Sum of the digits from the right, every second one doubled and its own digits summed."""
    text = digits.encode()
    return sum(text[-1::-2].translate(_VALUES)) + sum(text[-2::-2].translate(_DOUBLED))


def is_pan(text: str) -> bool:
    """Whether `text` is what DE2 may hold: 12 to 19 digits, whatever the last one is."""
    return 12 <= len(text) <= 19 and text.isascii() and text.isdigit()


def luhn_ok(pan: str) -> bool:
    """Whether the last digit of `pan` is its check digit. False for anything but 12 to 19 digits."""
    return is_pan(pan) and _luhn_sum(pan) % 10 == 0


def with_check_digit(partial: str) -> str:
    """`partial`, the digits before the last one, with their check digit added."""
    assert partial.isascii()
    assert partial.isdigit()
    return partial + str(-_luhn_sum(partial + "0") % 10)


def mask(pan: str) -> str:
    """First six and last four digits, as PCI DSS 3.4.1 allows; stars alone when too little would be left to hide."""
    if len(pan) < 12:
        return "*" * len(pan)
    return f"{pan[:6]}{'*' * (len(pan) - 10)}{pan[-4:]}"


class PanDisplay(Enum):
    """How a card number is shown to a person who describes messages."""

    MASKED = "masked"
    CLEAR = "clear"

    def shown(self, pan: str) -> str:
        """`pan` as it may be shown."""
        return mask(pan) if self is PanDisplay.MASKED else pan

    def text(self, text: str) -> str:
        """Text that nobody knows the content of. Masked, it has no number of 16 digits or more, whatever its check digit: in a
        message whose fields have slipped, a PAN can have other digits right beside it."""
        return without_pans(text, surely=16) if self is PanDisplay.MASKED else text


def without_pans(text: str, surely: int = 10**6) -> str:
    """`text` with every number in it that can be a card's masked, blanks or hyphens between its digits or not; and every
    number of at least `surely` digits."""

    def masked(found: re.Match[str]) -> str:
        digits = _BETWEEN.sub("", found[0])
        if not (_is_card_number(digits) or len(digits) >= surely):
            return found[0]
        shown = iter(mask(digits))
        return "".join(character if character in " -" else next(shown) for character in found[0])

    return _NUMBER.sub(masked, text)


def holds_pan(key: str) -> bool:
    """Whether a word of `key`, letters and digits between anything else, is a number that can be a card's. Digits inside
    a longer word are none: a UUID has such runs by chance."""
    return any(_is_card_number(word) for word in _WORD.findall(key))


def _is_card_number(digits: str) -> bool:
    """Its length is one that its first digits have (ISO/IEC 7812-1 ranges in use), and its last digit is right."""
    return _ISSUED.fullmatch(digits) is not None and luhn_ok(digits)


_NUMBER = re.compile("[0-9](?:[ -]?[0-9]){12,}")
_BETWEEN = re.compile("[ -]")
_WORD = re.compile("[0-9A-Za-z]+")
_ISSUED = re.compile(
    "4[0-9]{12}|4[0-9]{15}|4[0-9]{18}|5[0-9]{15}|2[2-7][0-9]{14}|3[47][0-9]{13}|3[0689][0-9]{12}|35[0-9]{14}|6[0-9]{15,18}"
)
"""13 digits of a time in milliseconds, or 19 in nanoseconds, are none: keys and references are often made of them."""
