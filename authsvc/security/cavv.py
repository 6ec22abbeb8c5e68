"""The proof of a 3-D Secure authentication (CAVV): 20 bytes, 28 base64 characters.

When it was issued, for how much and by which decision stand in it; card and merchant are bound by the MAC alone. Bytes:
4 seconds since 1970, 2 the issuing decision's number modulo 65536, 5 amount in minor units, 2 currency (ISO 4217
numeric), 7 MAC (keyed BLAKE2b). It is made and checked here, and stored nowhere. Source: S §18.2, W §9.2 (dynamic linking).
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode, b64encode

from authsvc.security.keys import Keys

PURPOSE = b"3ds proof"
CAVV_BYTES = 20
MAC_BYTES = 7
NUMBER_BYTES = 6


class SoftCavv:
    """`number`: of a proof, as `model.ThreeDsProof` has it: its first six bytes as an integer."""

    def __init__(self, keys: Keys) -> None:
        self._cavv_key = keys.cavv.reveal()

    def cavv(self, number: int, card: str, merchant: str, amount: int, currency: str) -> str:
        """A proof for `amount` minor units of `currency`, for this card at this merchant (DE42)."""
        body = number.to_bytes(NUMBER_BYTES, "big") + amount.to_bytes(5, "big") + int(currency).to_bytes(2, "big")
        return b64encode(body + self._cavv_mac(body, card, merchant)).decode()

    def opened_cavv(self, cavv: str, card: str, merchant: str) -> int:
        """The number of a proof that is ours, for this card and merchant; 0 of any other."""
        try:
            proof = b64decode(cavv, validate=True)
        except (binascii.Error, ValueError):
            return 0
        body, mac = proof[:-MAC_BYTES], proof[-MAC_BYTES:]
        right = len(proof) == CAVV_BYTES and hmac.compare_digest(mac, self._cavv_mac(body, card, merchant))
        return int.from_bytes(body[:NUMBER_BYTES], "big") if right else 0

    def _cavv_mac(self, body: bytes, card: str, merchant: str) -> bytes:
        text = body + f"{card}\x1f{merchant}".encode()
        return hashlib.blake2b(text, key=self._cavv_key, digest_size=MAC_BYTES, person=PURPOSE).digest()
