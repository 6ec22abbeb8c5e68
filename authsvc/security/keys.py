"""The key file: the only place where key bytes come in, and a type that never lets them out by accident.

A wrong file stops the start; the message names the key, never its value. Source: `wire.md` section 3.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal, NoReturn

from msgspec import Struct

from authsvc.errors import ConfigError

DES_KEYS = ("zone_pin", "pvv", "cvv", "mac", "issuer_master")
"""Double-length DES keys: 16 bytes, each of odd parity."""
LONG_KEYS = ("vault_hash", "vault_seal", "decision", "cavv")
"""32 bytes: HMAC-SHA-256, AES-256-GCM, BLAKE2b, BLAKE2b."""
AES_KEYS = ("zone_pin_aes",)
"""16, 24 or 32 bytes; may be left out."""
CHOICES = {"pvv_index": tuple("0123456789"), "cvv2_expiry": ("YYMM", "MMYY")}
"""What is no secret, and may be one of these."""

DES_KEY_BYTES = 16
LONG_KEY_BYTES = 32
AES_KEY_BYTES = (16, 24, 32)


class Secret:
    """Bytes that are never printed, compared, copied or stored; `reveal()` is the one way to them, and easy to find."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        return self._value

    def __repr__(self) -> str:
        return "<secret>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not copied, pickled or sent anywhere")


class Keys(Struct, frozen=True, kw_only=True):
    """`zone_pin`: PIN blocks (DE52) of 8 bytes come under it; `zone_pin_aes`: those of 16, and None says that there are
    none; `pvv` with `pvv_index`: PIN verification values; `cvv`: CVV2, over an expiry in the order `cvv2_expiry`; `mac`:
    DE64 and DE128; `issuer_master`: application cryptograms (DE55); `vault_hash`, `vault_seal`: the PAN vault; `decision`:
    keyed draws; `cavv`: proofs of 3-D Secure (DE48.43)."""

    zone_pin: Secret
    pvv: Secret
    pvv_index: str
    cvv: Secret
    cvv2_expiry: Literal["YYMM", "MMYY"]
    mac: Secret
    issuer_master: Secret
    vault_hash: Secret
    vault_seal: Secret
    decision: Secret
    cavv: Secret
    zone_pin_aes: Secret | None = None

    def __repr__(self) -> str:
        return "<keys>"


def load_keys(path: Path) -> Keys:
    """Read a key file. Raises ConfigError naming file and key when one is absent, unknown or wrong; never its value."""
    table = _read(path)
    for name in table:
        if name not in (*DES_KEYS, *LONG_KEYS, *AES_KEYS, *CHOICES):
            raise ConfigError(f"{path}: {name} is no key of a key file")
    secrets = {name: _des_key(path, table, name) for name in DES_KEYS}
    secrets |= {name: _long_key(path, table, name) for name in LONG_KEYS}
    secrets |= {name: _aes_key(path, table, name) for name in AES_KEYS if name in table}
    pvv_index, expiry = _choice(path, table, "pvv_index"), _choice(path, table, "cvv2_expiry")
    return Keys(**secrets, pvv_index=pvv_index, cvv2_expiry="MMYY" if expiry == "MMYY" else "YYMM")


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ValueError:
        # `from None`: the parser's own words may quote the line, and the line may hold a key.
        raise ConfigError(f"{path}: not a TOML file in UTF-8") from None


def _text(path: Path, table: dict[str, object], name: str) -> str:
    value = table.get(name)
    if value is None:
        raise ConfigError(f"{path}: {name} is missing")
    if not isinstance(value, str):
        raise ConfigError(f"{path}: {name} must be a string")
    return value


def _choice(path: Path, table: dict[str, object], name: str) -> str:
    value = _text(path, table, name)
    if value not in CHOICES[name]:
        raise ConfigError(f"{path}: {name} must be one of {', '.join(CHOICES[name])}")
    return value


def _bytes(path: Path, table: dict[str, object], name: str, *lengths: int) -> bytes:
    text = _text(path, table, name)
    try:
        value = bytes.fromhex(text)
    except ValueError:
        raise ConfigError(f"{path}: {name} must be hexadecimal") from None
    if len(value) not in lengths:
        raise ConfigError(f"{path}: {name} must be {' or '.join(map(str, lengths))} bytes long, it has {len(value)}")
    return value


def _des_key(path: Path, table: dict[str, object], name: str) -> Secret:
    value = _bytes(path, table, name, DES_KEY_BYTES)
    if any(byte.bit_count() % 2 == 0 for byte in value):
        raise ConfigError(f"{path}: {name} must have odd parity in every byte")
    return Secret(value)


def _long_key(path: Path, table: dict[str, object], name: str) -> Secret:
    return Secret(_bytes(path, table, name, LONG_KEY_BYTES))


def _aes_key(path: Path, table: dict[str, object], name: str) -> Secret:
    return Secret(_bytes(path, table, name, *AES_KEY_BYTES))
