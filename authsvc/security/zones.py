"""Which keys a listener's links use: those that it names, or the common ones of the key file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec.structs import replace

from authsvc.config import ListenerConfig
from authsvc.errors import ConfigError
from authsvc.security.exchange import Exchange
from authsvc.security.hsm import SoftHsm, ZoneHsm
from authsvc.security.keys import Keys
from authsvc.security.mac import OneMacKey, RetailMac, ZoneMac
from authsvc.security.secret import Secret
from authsvc.security.zone_key import Tools, ZoneKey, ZoneKeyFile

FOLDER = "keys"
"""Under `data_dir`: a file for each key that a peer has changed."""


def check_key_names(listeners: Mapping[str, ListenerConfig], keys: Keys) -> None:
    """Whether the key file has what the listeners name. Raises ConfigError naming the setting."""
    for name, listener in listeners.items():
        known: tuple[tuple[str, str, Mapping[str, object]], ...] = (
            ("zone_pin_key", "zone_pin_keys", keys.zone_pin_keys),
            ("mac_key", "mac_keys", keys.mac_keys),
            ("kek", "keks", keys.keks),
        )
        for setting, table, entries in known:
            wanted = getattr(listener, setting)
            if wanted and wanted not in entries:
                raise ConfigError(f"listeners.{name}.{setting}: the key file has no {table}.{wanted}")
        if listener.kek and not (listener.zone_pin_key or listener.mac_key):
            raise ConfigError(
                f"listeners.{name}.kek: a peer may change keys of its own only: zone_pin_key or mac_key is needed"
            )


class Zones:
    """`hsm`: for links without a zone PIN key of their own; `overlap`: seconds a changed key's predecessor stays good. Raises
    ConfigError when a stored key does not open."""

    def __init__(self, keys: Keys, hsm: SoftHsm, data_dir: Path, overlap: float, clock: Callable[[], float]) -> None:
        self._keys = keys
        self._hsm = hsm
        self._folder = data_dir / FOLDER
        self._overlap = overlap
        self._clock = clock
        self._shared: dict[str, ZoneKey] = {}

    def hsm_of(self, listener: ListenerConfig) -> SoftHsm:
        """With the listener's own zone PIN key; AES blocks (ISO-4) come under the common key, so there they do not come."""
        if not listener.zone_pin_key:
            return self._hsm
        return ZoneHsm(replace(self._keys, zone_pin_aes=None), self._zone_pin(listener))

    def macs_of(self, listener: ListenerConfig) -> OneMacKey | ZoneMac:
        if not listener.mac_key:
            return OneMacKey(self._keys.mac)
        return ZoneMac(Tools(self._mac(listener), RetailMac))

    def exchange_of(self, listener: ListenerConfig) -> Exchange | None:
        """None: the peer may not change keys."""
        if not listener.kek:
            return None
        zone_pin = self._zone_pin(listener) if listener.zone_pin_key else None
        mac = self._mac(listener) if listener.mac_key else None
        return Exchange(self._keys.keks[listener.kek], zone_pin, mac)

    def _zone_pin(self, listener: ListenerConfig) -> ZoneKey:
        name = listener.zone_pin_key
        return self._key(f"zone_pin_keys.{name}", self._keys.zone_pin_keys[name])

    def _mac(self, listener: ListenerConfig) -> ZoneKey:
        return self._key(f"mac_keys.{listener.mac_key}", self._keys.mac_keys[listener.mac_key])

    def _key(self, name: str, first: Secret) -> ZoneKey:
        """One for all listeners that name it: two links of one bank have one key."""
        if name not in self._shared:
            file = ZoneKeyFile(self._folder, name, self._keys.vault_seal)
            self._shared[name] = ZoneKey(first, file, self._overlap, self._clock)
        return self._shared[name]
