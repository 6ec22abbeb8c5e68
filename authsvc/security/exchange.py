"""A peer changes the keys of its link (0800, DE70 161): the new one comes as a key block under the link's own KEK.

Each refusal has its own cause and leaves the keys as they were. See docs/decisions/0027-keys.md.
"""

from __future__ import annotations

import asyncio

from authsvc.metrics import KeyChange
from authsvc.security.key_block import MAC, ZONE_PIN, BlockError, Kek, unwrapped
from authsvc.security.secret import Secret
from authsvc.security.zone_key import ZoneKey

CODES: dict[KeyChange, str] = {
    "taken": "00",
    "repeated": "00",
    "malformed": "30",
    "not_ours": "96",
    "wrong_usage": "96",
    "wrong_key": "96",
    "used_before": "96",
    "not_stored": "96",
    "not_offered": "12",
}
"""What became of it → DE39. "repeated": it is the one in use, so this is a repeat; "not_offered": the link has no KEK."""


class Exchange:
    """The keys of one link that its peer may change; a kind that is None is not among them."""

    def __init__(self, kek: Kek, zone_pin: ZoneKey | None, mac: ZoneKey | None) -> None:
        offered = ((ZONE_PIN, zone_pin), (MAC, mac))
        self._kek = kek
        self._keys = {kind.usage: (kind, key) for kind, key in offered if key is not None}
        self._one_at_a_time = asyncio.Lock()

    async def take(self, block: str) -> tuple[KeyChange, str]:
        """What became of the key in `block`, and why it was refused, "" when it was not. When this returns "taken" the key
        is durable, and in use from the next message on."""
        try:
            kind, _, key = unwrapped(block, self._kek, *(kind for kind, _ in self._keys.values()))
        except BlockError as error:
            return _cause(error), str(error)
        if _is_single(key):
            return "wrong_key", "is a single-length key written twice"
        async with self._one_at_a_time:
            return await self._change(self._keys[kind.usage][1], key)

    async def _change(self, zone_key: ZoneKey, key: Secret) -> tuple[KeyChange, str]:
        zone_key.look()  # what another worker was given counts
        if zone_key.is_current(key):
            return "repeated", ""
        if zone_key.was_used(key):
            return "used_before", "was in use before"
        try:
            await asyncio.to_thread(zone_key.store, zone_key.changed(key))
        except OSError as error:
            return "not_stored", f"cannot be stored: {error.strerror}"
        zone_key.look()
        return "taken", ""


def _cause(error: BlockError) -> KeyChange:
    for cause in CODES:
        if cause == error.cause:
            return cause
    raise AssertionError("every cause of a BlockError has a code")


def _is_single(key: Secret) -> bool:
    """Two equal halves are single DES: 56 bits."""
    value = key.reveal()
    return value[: len(value) // 2] == value[len(value) // 2 :]
