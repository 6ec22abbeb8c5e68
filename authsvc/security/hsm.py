"""The soft HSM: what a hardware security module would do with PINs and card verification values.

The one place that sees a clear PIN, for the length of a call. No exception and no return value of it carries a PIN, a
PIN block or a key. psec is the reference, and tests/security/test_security_hsm.py holds both equal; we do the same TDES
on cipher contexts made once, because psec makes one a call: from PIN block to PVV it takes 38 µs, this takes 4.

Sources: PIN block ISO 9564-1 formats 0 and 4; Visa PVV; CVV2 as CVV with service code 000 (`wire.md` section 3).
"""

from __future__ import annotations

from binascii import hexlify
from typing import Protocol

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, modes
from psec.pinblock import decipher_pinblock_iso_4

from authsvc.security.cavv import SoftCavv
from authsvc.security.compare import same
from authsvc.security.cryptogram import Cryptograms, SoftCryptograms
from authsvc.security.keys import Keys
from authsvc.security.secret import Secret
from authsvc.security.zone_key import Tools, ZoneKey

__all__ = ["NOT_FOUR_DIGITS", "Hsm", "SoftHsm", "same"]

NOT_FOUR_DIGITS = "-"
"""The PVV of a PIN that is not four digits long: equal to no card's, so it counts as a wrong PIN. A PVV covers four
digits only, and without this 12345 would pass for 1234. Four digits: S §2.21; W and P do not say."""

PIN_DIGITS = 4
PAN_DIGITS_MIN = 13
SERVICE_CODE_CVV2 = "000"
BLOCK_BYTES = 8

_LETTERS, _DIGITS = b"abcdef", b"0123456789"
_LETTERS_AS_DIGITS = bytes.maketrans(_LETTERS, b"012345")


class Hsm(Cryptograms, Protocol):
    """What the engine asks of a security module; a hardware one can stand in its place."""

    def offered_pvv(self, pin_block: bytes, pan: str, card_pan: str = "") -> str:
        """The PVV of the PIN in an encrypted block, ISO-0 of 8 bytes or ISO-4 of 16; `NOT_FOUR_DIGITS` for a longer PIN.
        Compare with `same`.

        `card_pan`: the number whose PVV it is, where `pan`, which the block was made with, is a device number for it.
        Raises ValueError, without any secret in it, when the block is no such block for that PAN, or there is no key for it.
        """

    def pvv(self, pin: str, pan: str) -> str:
        """The PVV of a new PIN, four digits. Raises ValueError when the PIN is not four digits."""

    def cvv2(self, pan: str, expiry: str) -> str:
        """The CVV2 of a card; `expiry` is YYMM. Raises ValueError when PAN or expiry are no digits."""

    def cvv2_matches(self, cvv2: str, pan: str, expiry: str) -> bool:
        """Whether an offered CVV2 is the card's; `expiry` is the card's own, YYMM. Anything odd does not match."""

    def cavv(self, number: int, card: str, merchant: str, amount: int, currency: str) -> str:
        """A 3-D Secure proof, 28 base64 characters (`security.cavv`)."""

    def opened_cavv(self, cavv: str, card: str, merchant: str) -> int:
        """The number of a proof that is ours for this card and merchant, 0 of any other."""

    def cvv_matches(self, cvv: str, pan: str, expiry: str, service_code: str) -> bool:
        """Whether the CVV of a stripe is right; `expiry` (YYMM) and `service_code` as on the track, all digits."""


class SoftHsm(SoftCryptograms, SoftCavv):
    """`Hsm` in software. Its cipher contexts are shared by all calls: one thread only, the event loop's."""

    def __init__(self, keys: Keys) -> None:
        super().__init__(keys)
        SoftCavv.__init__(self, keys)
        cvv_key = keys.cvv.reveal()
        self._open_pin_block = _tdes(keys.zone_pin.reveal()).decryptor()
        self._zone_pin_aes = keys.zone_pin_aes
        self._pvv_cipher = _tdes(keys.pvv.reveal()).encryptor()
        self._pvv_index = keys.pvv_index
        self._cvv_first = _tdes(cvv_key[:BLOCK_BYTES] * 2).encryptor()  # single DES, written as TDES of one key
        self._cvv_last = _tdes(cvv_key).encryptor()
        self._month_first = keys.cvv2_expiry == "MMYY"

    def offered_pvv(self, pin_block: bytes, pan: str, card_pan: str = "") -> str:
        if len(pin_block) == 2 * BLOCK_BYTES and self._zone_pin_aes is not None:
            pin = _pin_in_iso_4(self._zone_pin_aes.reveal(), pin_block, pan)
        elif len(pin_block) == BLOCK_BYTES:
            pin = _pin_in(self._open_pin_block.update(pin_block), pan)
        else:
            raise ValueError("a PIN block is 8 bytes long, or 16 where there is an AES key")
        return self.pvv(pin, card_pan or pan) if len(pin) == PIN_DIGITS else NOT_FOUR_DIGITS

    def pvv(self, pin: str, pan: str) -> str:
        if len(pin) != PIN_DIGITS or not _numeric(pin):
            raise ValueError("a PIN is four digits")
        _check_pan(pan)
        block = bytes.fromhex(pan[-12:-1] + self._pvv_index + pin)
        return _decimals(self._pvv_cipher.update(block), PIN_DIGITS)

    def cvv2(self, pan: str, expiry: str) -> str:
        _check_pan(pan)
        if len(expiry) != 4 or not _numeric(expiry):
            raise ValueError("an expiry is four digits")
        date = expiry[2:] + expiry[:2] if self._month_first else expiry
        return self._cvv(pan + date + SERVICE_CODE_CVV2)

    def cvv2_matches(self, cvv2: str, pan: str, expiry: str) -> bool:
        if len(expiry) != 4 or not _numeric(expiry) or not _numeric(cvv2):
            return False
        return same(cvv2, self.cvv2(pan, expiry))

    def cvv_matches(self, cvv: str, pan: str, expiry: str, service_code: str) -> bool:
        _check_pan(pan)
        return same(cvv, self._cvv(pan + expiry + service_code))

    def _cvv(self, digits: str) -> str:
        """The CVV of PAN, expiry and service code, at most 32 digits."""
        return _decimals(_chain(self._cvv_first, self._cvv_last, bytes.fromhex(digits.ljust(32, "0"))), 3)


class ZoneHsm(SoftHsm):
    """That of a link with a zone PIN key of its own, which its peer may change."""

    def __init__(self, keys: Keys, zone_pin: ZoneKey) -> None:
        super().__init__(keys)
        self._openers = Tools(zone_pin, _opener)

    def offered_pvv(self, pin_block: bytes, pan: str, card_pan: str = "") -> str:
        """As `Hsm.offered_pvv`, for ISO-0 blocks. A block of another key is no block: the digits and filler around the PIN
        would have to come right by chance, once in 10 to the 15th."""
        if len(pin_block) != BLOCK_BYTES:
            raise ValueError("a PIN block is 8 bytes long on this link")
        pin = self._openers.first(lambda opener: _pin_or_none(opener.update(pin_block), pan))
        if pin is None:
            raise ValueError("not an ISO-0 PIN block of this card")
        return self.pvv(pin, card_pan or pan) if len(pin) == PIN_DIGITS else NOT_FOUR_DIGITS


def _opener(zone_pin: Secret) -> CipherContext:
    return _tdes(zone_pin.reveal()).decryptor()


def _pin_or_none(block: bytes, pan: str) -> str | None:
    try:
        return _pin_in(block, pan)
    except ValueError:
        return None


def _tdes(key: bytes) -> Cipher[modes.ECB]:
    """Double-length key K1 K2 as the triple-length one K1 K2 K1 that it means."""
    return Cipher(TripleDES(key + key[:BLOCK_BYTES]), modes.ECB())


def _pin_in(block: bytes, pan: str) -> str:
    """The 4 to 12 digits in a clear ISO-0 block: (0, length, PIN, F…) xor (0000, 12 PAN digits)."""
    _check_pan(pan)
    text = (int.from_bytes(block, "big") ^ int(pan[-13:-1], 16)).to_bytes(BLOCK_BYTES, "big").hex()
    length = int(text[1], 16)
    pin = text[2 : 2 + length]
    if text[0] != "0" or not 4 <= length <= 12 or not _numeric(pin) or text[2 + length :].strip("f"):
        raise ValueError("not an ISO-0 PIN block of this card")
    return pin


def _pin_in_iso_4(key: bytes, block: bytes, pan: str) -> str:
    """The PIN in an ISO-4 block, by psec: few links have them, and 40 µs is what they cost.

    Its filler is random, so a block of a wrong key or card is told by what stands around the PIN, as in ISO-0.
    """
    _check_pan(pan)
    try:
        return str(decipher_pinblock_iso_4(key, block, pan))
    except ValueError:
        pass  # psec's words quote what it found in the block
    raise ValueError("not an ISO-4 PIN block of this card")


def _chain(first: CipherContext, last: CipherContext, block: bytes) -> bytes:
    """The CVV algorithm on two blocks: DES of the first, xor the second, TDES."""
    half = int.from_bytes(first.update(block[:BLOCK_BYTES]), "big") ^ int.from_bytes(block[BLOCK_BYTES:], "big")
    return last.update(half.to_bytes(BLOCK_BYTES, "big"))


def _decimals(block: bytes, count: int) -> str:
    """The first `count` decimal digits of a block; if it has too few, its letters a to f follow as 0 to 5."""
    text = hexlify(block)
    digits = text.translate(None, _LETTERS)
    if len(digits) < count:
        digits += text.translate(_LETTERS_AS_DIGITS, _DIGITS)
    return digits[:count].decode()


def _check_pan(pan: str) -> None:
    if not PAN_DIGITS_MIN <= len(pan) <= 19 or not _numeric(pan):
        raise ValueError("a PAN is 13 to 19 digits")


def _numeric(text: str) -> bool:
    return text.isascii() and text.isdigit()
