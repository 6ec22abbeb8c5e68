"""The PAN vault: from a card number to a card and back, without the number lying open anywhere.

A card is found by HMAC-SHA-256 of its PAN; the PAN itself is kept sealed by AES-256-GCM, bound to its card id. Rows are
kept by the ledger; how to read them is handed in.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from authsvc.model import STRAY, AccountId, CardId, CardRef, VirtualId
from authsvc.security.keys import Keys

NONCE_BYTES = 12
NONCES_DRAWN = 256
OF_A_CARD = "~"
"""Between a card's id and the rest of the id of a device number that stands for it."""
CACHED_CARDS = 65_536
"""Cards whose PAN hash is kept in memory: about 25 MB when full."""


class Entry(Protocol):
    """A row of the vault as the ledger keeps it. `pan_hash`: 32 bytes; `sealed_pan`: as `Vault.seal` made it."""

    @property
    def pan_hash(self) -> bytes: ...
    @property
    def account(self) -> AccountId: ...
    @property
    def card(self) -> CardId: ...
    @property
    def last4(self) -> str: ...
    @property
    def sealed_pan(self) -> bytes: ...


class Vault:
    """`by_hash`, `by_card`: read one row of storage, None when there is none; `capacity`: most cards kept in memory."""

    def __init__(
        self,
        keys: Keys,
        by_hash: Callable[[bytes], Awaitable[Entry | None]],
        by_card: Callable[[CardId], Awaitable[Entry | None]],
        capacity: int = CACHED_CARDS,
    ) -> None:
        assert capacity > 0
        self._inner, self._outer = _hmac_ends(keys.vault_hash.reveal())
        self._nonces = _nonces()
        self._cipher = AESGCM(keys.vault_seal.reveal())
        self._by_hash = by_hash
        self._by_card = by_card
        self._capacity = capacity
        self._cache: OrderedDict[bytes, CardRef] = OrderedDict()  # least recently used first

    def pan_hash(self, pan: str) -> bytes:
        """32 bytes that stand for the PAN: HMAC-SHA-256 under the `vault_hash` key."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(pan.encode())
        outer.update(inner.digest())
        return outer.digest()

    def seal(self, pan: str, card: CardId) -> bytes:
        """The PAN encrypted for storage beside that card only: 12 bytes random nonce, ciphertext, 16 bytes tag."""
        nonce = next(self._nonces)
        return nonce + self._cipher.encrypt(nonce, pan.encode(), card.encode())

    def open_sealed(self, blob: bytes, card: CardId) -> str:
        """The PAN in `blob`. Raises ValueError when it was not sealed here for that card, or was changed."""
        try:
            return self._cipher.decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], card.encode()).decode()
        except (InvalidTag, ValueError):
            raise ValueError(f"the sealed PAN of card {card} does not open") from None

    def cached(self, pan: str) -> CardRef | None:
        """The card of a PAN if memory knows it; None means only that `find` must ask the storage."""
        return self._recall(self.pan_hash(pan))

    async def find(self, pan: str) -> CardRef:
        """The card of a PAN; for an unknown one the stray reference, never kept: the card may be issued any moment."""
        pan_hash = self.pan_hash(pan)
        known = self._recall(pan_hash)
        if known is not None:
            return known
        entry = await self._by_hash(pan_hash)
        if entry is None:
            return stray(pan_hash)
        found = reference(entry)
        self.remember(pan_hash, found)
        return found

    async def pan_of(self, card: CardId) -> str | None:
        """The PAN of a card, None for an unknown card. Raises ValueError as `open_sealed` does."""
        entry = await self._by_card(card)
        return None if entry is None else self.open_sealed(entry.sealed_pan, card)

    def remember(self, pan_hash: bytes, card: CardRef) -> None:
        """Keep a card in memory, at the cost of the one not asked for the longest time when memory is full."""
        self._cache[pan_hash] = card
        self._cache.move_to_end(pan_hash)
        if len(self._cache) > self._capacity:
            self._cache.popitem(last=False)

    def forget(self, pan_hash: bytes) -> None:
        """Ask the storage again next time."""
        self._cache.pop(pan_hash, None)

    def _recall(self, pan_hash: bytes) -> CardRef | None:
        card = self._cache.get(pan_hash)
        if card is not None:
            self._cache.move_to_end(pan_hash)
        return card


def _hmac_ends(key: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    """Both hashes of HMAC-SHA-256 (RFC 2104) behind the key, to be copied: 0.8 µs a PAN; `hmac.digest` begins anew, 2.5 µs."""
    block = hashlib.sha256().block_size
    assert len(key) <= block
    padded = key.ljust(block, b"\0")
    return hashlib.sha256(bytes(byte ^ 0x36 for byte in padded)), hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))


def _nonces() -> Iterator[bytes]:
    """Random, many from one call of the system: each call gives the interpreter lock away."""
    while True:
        drawn = os.urandom(NONCE_BYTES * NONCES_DRAWN)
        for start in range(0, len(drawn), NONCE_BYTES):
            yield drawn[start : start + NONCE_BYTES]


def virtual_id(card: CardId, name: str) -> VirtualId:
    """The id of a device number of that card: it tells its card, so that one row of the vault leads to both."""
    return VirtualId(f"{card}{OF_A_CARD}{name}")


def reference(entry: Entry) -> CardRef:
    """Where a row of the vault leads."""
    card, _, name = entry.card.partition(OF_A_CARD)
    return CardRef(entry.account, CardId(card), VirtualId(entry.card) if name else VirtualId(""))


def stray(pan_hash: bytes) -> CardRef:
    """Where messages with an unknown PAN go: one of 16 stray accounts, so that no single one becomes a bottleneck."""
    return CardRef(account=AccountId(f"{STRAY}-{pan_hash.hex()[0]}"), card=CardId(""))
