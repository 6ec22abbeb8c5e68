"""Keyed draws: chance that is the same for a repeat and a replay, and that nobody without the key can foresee.

The random PIN request (S §15.1.4, W §12.6, P §10.5) is drawn here; the rules get the draw as a number and stay pure.
"""

from __future__ import annotations

import hashlib

from authsvc.security.keys import Keys

PURPOSE = b"pin request"
FRACTION_BITS = 53
"""All a float between 0 and 1 can hold."""


class Draws:
    def __init__(self, keys: Keys) -> None:
        self._key = keys.decision.reveal()

    def draw(self, *identity: str) -> float:
        """A number in [0, 1), even over identities, always the same for the same one (`model.Origin` and the card)."""
        text = "\x1f".join(identity).encode()
        digest = hashlib.blake2b(text, key=self._key, digest_size=8, person=PURPOSE).digest()
        return float((int.from_bytes(digest, "big") >> (64 - FRACTION_BITS)) / (1 << FRACTION_BITS))
