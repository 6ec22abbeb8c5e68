"""New ids, card numbers and card secrets: the one place that makes randomness for accounts and cards."""

from __future__ import annotations

import hashlib
import secrets

from authsvc.model import AccountId, CardId, VirtualId
from authsvc.security.hsm import Hsm
from authsvc.security.keys import Keys
from authsvc.security.vault import Vault, virtual_id

PAN_DIGITS = 16
ID_BYTES = 10


class Mint:
    """Ids are random, or, under an idempotency key, a keyed hash of it: so a repeated command finds what the first made."""

    def __init__(self, keys: Keys, hsm: Hsm, vault: Vault) -> None:
        self._key = keys.decision.reveal()
        self._hsm = hsm
        self._vault = vault

    def account_id(self, idempotency: str) -> AccountId:
        return AccountId("acc-" + self._id(b"account", idempotency))

    def card_id(self, account: AccountId, idempotency: str) -> CardId:
        return CardId("card-" + self._id(b"card", f"{account}\x1f{idempotency}" if idempotency else ""))

    def virtual_id(self, card: CardId, idempotency: str) -> VirtualId:
        return virtual_id(card, self._id(b"virtual", f"{card}\x1f{idempotency}" if idempotency else ""))

    def number_secrets(self, pan: str, virtual: VirtualId) -> tuple[bytes, bytes]:
        """Keyed hash of a device number, and the number sealed for this id. It has no PIN of its own."""
        return self._vault.pan_hash(pan), self._vault.seal(pan, CardId(virtual))

    def pan(self, bin_: str) -> str:
        """A random PAN of 16 digits in the BIN, with its check digit (ISO/IEC 7812-1 Annex B)."""
        body = bin_ + "".join(secrets.choice("0123456789") for _ in range(PAN_DIGITS - 1 - len(bin_)))
        return body + _check_digit(body)

    def card_secrets(self, pan: str, pin: str, card: CardId) -> tuple[str, bytes, bytes]:
        """PVV of the PIN, keyed hash of the PAN, PAN sealed for this card. Raises ValueError on a PIN not of four digits."""
        return self._hsm.pvv(pin, pan), self._vault.pan_hash(pan), self._vault.seal(pan, card)

    def pan_hash(self, pan: str) -> bytes:
        return self._vault.pan_hash(pan)

    def sealed(self, pan: str, card: CardId) -> bytes:
        return self._vault.seal(pan, card)

    def pvv(self, pin: str, pan: str) -> str:
        """Raises ValueError on a PIN not of four digits."""
        return self._hsm.pvv(pin, pan)

    async def new_pvv(self, card: CardId, pin: str) -> str:
        """The PVV of a new PIN for a card of the vault. Raises ValueError on a PIN not of four digits."""
        pan = await self._vault.pan_of(card)
        if pan is None:
            raise ValueError(f"card {card} is not in the vault")
        return self._hsm.pvv(pin, pan)

    def cavv(self, number: int, card: CardId, merchant: str, amount: int, currency: str) -> str:
        """The proof of a 3-D Secure authentication, 28 base64 characters; the same one for the same decision."""
        return self._hsm.cavv(number, card, merchant, amount, currency)

    def _id(self, purpose: bytes, idempotency: str) -> str:
        if not idempotency:
            return secrets.token_hex(ID_BYTES)
        return hashlib.blake2b(idempotency.encode(), key=self._key, digest_size=ID_BYTES, person=purpose).hexdigest()


def _check_digit(body: str) -> str:
    doubled = [int(digit) * (2 - index % 2) for index, digit in enumerate(reversed(body))]
    return str(-sum(value - 9 * (value > 9) for value in doubled) % 10)
