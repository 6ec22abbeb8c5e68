"""The key file: the only place where keys come in, as TR-31 key blocks under the master key of the environment.

A key in clear hexadecimal is read only from a file that says `demo = true`. A wrong file stops the start; the message names
the key, never its value. Source: `wire.md` section 3; docs/decisions/0027-keys.md.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from authsvc.errors import ConfigError
from authsvc.security.key_block import (
    KEK,
    KINDS,
    NAMED,
    BlockError,
    Kek,
    Kind,
    check_key,
    is_block,
    unwrapped,
)
from authsvc.security.secret import Secret

__all__ = ["Keys", "Secret", "load_keys", "master_key"]

MASTER_VARIABLE: Final = "AUTHSVC_MASTER_KEY"
MASTER_BYTES: Final = 32
DES_KEYS = ("zone_pin", "pvv", "cvv", "mac", "issuer_master")
"""Double-length DES keys: 16 bytes, each of odd parity."""
LONG_KEYS = ("vault_hash", "vault_seal", "decision", "cavv")
"""32 bytes: HMAC-SHA-256, AES-256-GCM, BLAKE2b, BLAKE2b."""
AES_KEYS = ("zone_pin_aes",)
"""16, 24 or 32 bytes; may be left out."""
CHOICES = {"pvv_index": tuple("0123456789"), "cvv2_expiry": ("YYMM", "MMYY")}
"""What is no secret, and may be one of these."""
DEMO: Final = "demo"

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class Keys(Struct, frozen=True, kw_only=True):
    """`zone_pin`: PIN blocks (DE52) of 8 bytes come under it; `zone_pin_aes`: those of 16, and None says that there are
    none; `pvv` with `pvv_index`: PIN verification values; `cvv`: CVV2, over an expiry in the order `cvv2_expiry`; `mac`:
    DE64 and DE128; `issuer_master`: application cryptograms (DE55); `vault_hash`, `vault_seal`: the PAN vault; `decision`:
    keyed draws; `cavv`: proofs of 3-D Secure (DE48.43). `zone_pin_keys`, `mac_keys`, `keks`: those that a listener names."""

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
    zone_pin_keys: Mapping[str, Secret] = {}
    mac_keys: Mapping[str, Secret] = {}
    keks: Mapping[str, Kek] = {}

    def __repr__(self) -> str:
        return "<keys>"


def master_key(environment: Mapping[str, str]) -> Kek | None:
    """The key that all others come under, None when there is none. Raises ConfigError, without its value."""
    text = environment.get(MASTER_VARIABLE, "")
    if not text:
        return None
    if re.fullmatch(f"[0-9A-Fa-f]{{{2 * MASTER_BYTES}}}", text) is None:
        raise ConfigError(f"{MASTER_VARIABLE} must be {2 * MASTER_BYTES} hexadecimal digits")
    return Kek(Secret(bytes.fromhex(text)), "A")


def load_keys(path: Path, master: Kek | None = None) -> Keys:
    """Read a key file. Raises ConfigError naming file and key when one is absent, unknown or wrong; never its value."""
    table = _read(path)
    for name in table:
        if name not in (DEMO, *KINDS, *CHOICES, *NAMED):
            raise ConfigError(f"{path}: {name} is no key of a key file")
    demo = table.get(DEMO, False)
    if not isinstance(demo, bool):
        raise ConfigError(f"{path}: {DEMO} must be true or false")
    reader = _Reader(path, demo, master)
    secrets = {name: reader.key(table, name, KINDS[name]).key for name in (*DES_KEYS, *LONG_KEYS)}
    secrets |= {name: reader.key(table, name, KINDS[name]).key for name in AES_KEYS if name in table}
    named = {name: reader.named(table, name) for name in NAMED}
    pvv_index, expiry = reader.choice(table, "pvv_index"), reader.choice(table, "cvv2_expiry")
    return Keys(
        **secrets,
        pvv_index=pvv_index,
        cvv2_expiry="MMYY" if expiry == "MMYY" else "YYMM",
        zone_pin_keys={name: found.key for name, found in named["zone_pin_keys"].items()},
        mac_keys={name: found.key for name, found in named["mac_keys"].items()},
        keks=named["keks"],
    )


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ValueError:
        # `from None`: the parser's own words may quote the line, and the line may hold a key.
        raise ConfigError(f"{path}: not a TOML file in UTF-8") from None


class _Reader:
    """What one key file's values mean. Every key comes with its algorithm, though only a `Kek` is asked for it."""

    def __init__(self, path: Path, demo: bool, master: Kek | None) -> None:
        self._path = path
        self._demo = demo
        self._master = master

    def named(self, table: Mapping[str, object], kind: str) -> dict[str, Kek]:
        entries = table.get(kind, {})
        if not isinstance(entries, dict):
            raise ConfigError(f"{self._path}: {kind} must be a table of names and keys")
        for name in entries:
            if _NAME.fullmatch(name) is None:
                raise ConfigError(f"{self._path}: {kind}: a name is small letters, digits, - and _, 40 at most")
        return {name: self.key(entries, name, NAMED[kind], f"{kind}.{name}") for name in entries}

    def choice(self, table: Mapping[str, object], name: str) -> str:
        value = self._text(table, name, name)
        if value not in CHOICES[name]:
            raise ConfigError(f"{self._path}: {name} must be one of {', '.join(CHOICES[name])}")
        return value

    def key(self, table: Mapping[str, object], name: str, kind: Kind, shown: str = "") -> Kek:
        shown = shown or name
        text = self._text(table, name, shown)
        try:
            return self._of_block(text, kind, shown) if is_block(text) else self._of_clear(text, kind, shown)
        except BlockError as error:
            problem = str(error)
        raise ConfigError(f"{self._path}: {shown} {problem}")

    def _text(self, table: Mapping[str, object], name: str, shown: str) -> str:
        value = table.get(name)
        if value is None:
            raise ConfigError(f"{self._path}: {shown} is missing")
        if not isinstance(value, str):
            raise ConfigError(f"{self._path}: {shown} must be a string")
        return value

    def _of_block(self, text: str, kind: Kind, shown: str) -> Kek:
        if self._master is None:
            raise ConfigError(
                f"{self._path}: {shown} is a key block, and there is no {MASTER_VARIABLE} to open it with"
            )
        _, algorithm, key = unwrapped(text, self._master, kind)
        return Kek(key, algorithm)

    def _of_clear(self, text: str, kind: Kind, shown: str) -> Kek:
        """Hexadecimal digits, for demonstrations and tests."""
        try:
            value = bytes.fromhex(text)
        except ValueError:
            raise ConfigError(f"{self._path}: {shown} must be hexadecimal or a key block") from None
        algorithm = Kek.of(Secret(value)).algorithm if kind is KEK else next(iter(kind.lengths))
        check_key(value, kind.lengths[algorithm], algorithm)
        if not self._demo:
            raise ConfigError(
                f"{self._path}: {shown} is in clear; make it a key block (authsvc keys wrap-file), or say {DEMO} = true"
            )
        return Kek(Secret(value), algorithm)
