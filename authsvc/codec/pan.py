"""The card number (PAN, DE2): its check digit (ISO/IEC 7812-1 annex B, Luhn), and how it may be shown."""

from __future__ import annotations

_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")


def _luhn_sum(digits: str) -> int:
    """Sum of the digits from the right, every second one doubled and its own digits summed."""
    text = digits.encode("ascii")
    return sum(text[::-2]) + sum(text[-2::-2].translate(_DOUBLED)) - len(text) * ord("0")


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
