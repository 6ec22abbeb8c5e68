"""Keys as TR-31 key blocks, by psec: what a key is for stands in its block, and cannot be changed without the key above it.

Version D under an AES key, version B under a double-length DES key; the older ones are not taken. Sources: ANSI X9.143 (TR-31):
key usage, algorithm, mode of use.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Final

from cryptography.utils import CryptographyDeprecationWarning
from msgspec import Struct
from psec.tr31 import Header, HeaderError, KeyBlock, KeyBlockError

from authsvc.security.secret import Secret

# A version B block is made with TDES; that cryptography would rather it was not is nothing to tell an operator.
warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning, module="psec")

SHORTEST: Final = 80
"""Characters: header, a key of 16 bytes that is not masked, MAC."""
LONGEST: Final = 999
BLOCK_OF = {"T": "B", "A": "D"}
"""Algorithm of the key above → the only version of block taken under it: one key, one algorithm."""
DES_BYTES: Final = 16
AES_BYTES = (16, 24, 32)


class Kind(Struct, frozen=True):
    """What a key is for. `lengths`: bytes allowed, by algorithm ("T" TDES, "A" AES, "H" HMAC); `modes`: of use, the first is
    the one we write."""

    usage: str
    lengths: Mapping[str, tuple[int, ...]]
    modes: str


_TDES = {"T": (DES_BYTES,)}
ZONE_PIN = Kind("P0", _TDES, "BDN")
MAC = Kind("M3", _TDES, "CGVN")
KEK = Kind("K1", {"T": (DES_BYTES,), "A": AES_BYTES}, "BDN")
KINDS: dict[str, Kind] = {
    "zone_pin": ZONE_PIN,
    "zone_pin_aes": Kind("P0", {"A": AES_BYTES}, "BDN"),
    "pvv": Kind("V2", _TDES, "CGVN"),
    "cvv": Kind("C0", _TDES, "CGVN"),
    "mac": MAC,
    "issuer_master": Kind("E0", _TDES, "XN"),
    "vault_hash": Kind("M7", {"H": (32,)}, "CN"),
    "vault_seal": Kind("D0", {"A": (32,)}, "BN"),
    "decision": Kind("M7", {"H": (32,)}, "CN"),
    "cavv": Kind("M7", {"H": (32,)}, "CN"),
}
"""By the name a key has in the key file."""
NAMED = {"zone_pin_keys": ZONE_PIN, "mac_keys": MAC, "keks": KEK}
"""Tables of the key file, of keys that a listener names."""


class Kek(Struct, frozen=True):
    """A key that protects others. `algorithm`: "T" or "A"."""

    key: Secret
    algorithm: str

    @classmethod
    def of(cls, key: Secret) -> Kek:
        """A key whose algorithm nobody says: 16 bytes are two DES keys, anything else is AES."""
        return cls(key, "T" if len(key.reveal()) == DES_BYTES else "A")


class BlockError(ValueError):
    """No such key. `cause`: "malformed", "not_ours" (made under another key, or changed), "wrong_usage" or "wrong_key". It
    never holds a part of the block."""

    def __init__(self, cause: str, problem: str) -> None:
        super().__init__(problem)
        self.cause = cause


def is_block(text: str) -> bool:
    """Whether this can be a key block: it says its own length. A key in clear hexadecimal is shorter than any."""
    return SHORTEST <= len(text) <= LONGEST and text[1:5] == f"{len(text):04d}"


def unwrapped(block: str, under: Kek, *kinds: Kind) -> tuple[Kind, str, Secret]:
    """Which of `kinds` the key in a block is, its algorithm, and the key. Raises BlockError."""
    header, key = _opened(block, under)
    for kind in kinds:
        if header.key_usage == kind.usage and header.mode_of_use in kind.modes and header.algorithm in kind.lengths:
            check_key(key, kind.lengths[header.algorithm], header.algorithm)
            return kind, header.algorithm, Secret(key)
    expected = " or ".join(kind.usage for kind in kinds)
    found = f"{header.key_usage} {header.algorithm} {header.mode_of_use}"
    raise BlockError("wrong_usage", f"holds a key for {found}, not for {expected}")


def wrapped(key: bytes, kind: Kind, algorithm: str, under: Kek) -> str:
    """The key block of a key of that kind. Raises BlockError on a key that is none."""
    check_key(key, kind.lengths[algorithm], algorithm)
    header = Header(BLOCK_OF[under.algorithm], kind.usage, algorithm, kind.modes[0], "00", "N")
    return str(KeyBlock(under.key.reveal(), header).wrap(key))


def check_key(key: bytes, lengths: tuple[int, ...], algorithm: str) -> None:
    """Whether these bytes are a key. Raises BlockError."""
    if len(key) not in lengths:
        raise BlockError("wrong_key", f"must be {' or '.join(map(str, lengths))} bytes long, it has {len(key)}")
    if algorithm == "T" and any(byte.bit_count() % 2 == 0 for byte in key):
        raise BlockError("wrong_key", "must have odd parity in every byte")


def _opened(block: str, under: Kek) -> tuple[Header, bytes]:
    if not is_block(block) or not block.isascii():
        raise BlockError("malformed", "is no key block: it does not say its own length")
    if block[0] != BLOCK_OF[under.algorithm]:
        version = BLOCK_OF[under.algorithm]
        raise BlockError("malformed", f"must be a key block of version {version} under this key")
    opener = KeyBlock(under.key.reveal())
    try:
        return opener.header, opener.unwrap(block)
    except HeaderError:
        cause, problem = "malformed", "its header is no header of a key block"
    except KeyBlockError as error:
        # psec's words quote what it found; of them only which of two things it was is passed on.
        ours = "MAC doesn't match" not in str(error)
        cause, problem = ("malformed", "is cut or changed") if ours else ("not_ours", "was made under another key")
    raise BlockError(cause, problem)  # out here, so that psec's error is not chained to ours
