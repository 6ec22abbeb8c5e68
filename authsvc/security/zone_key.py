"""A key that we share with one peer and that the peer may change: the one in use, and for a while the one before it.

What was changed is kept sealed in a file under `data_dir`, read at the start, and by the other workers as soon as they meet
a message that their key does not fit. See docs/decisions/0027-keys.md.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct, structs

from authsvc.errors import ConfigError
from authsvc.logs import get_logger
from authsvc.security.secret import Secret

log = get_logger(__name__)

NONCE_BYTES: Final = 12
MOST_REMEMBERED: Final = 1000
"""Keys once in use that are not taken again; at a change a day, those of three years."""
LOOK_SECONDS: Final = 1.0
"""How often a worker looks whether another one was given a new key."""

Tool = TypeVar("Tool")
Found = TypeVar("Found")


class _Record(Struct, frozen=True, forbid_unknown_fields=True):
    """What is sealed. `began`: mark of the key file's key when this began; `current`, `before`: hexadecimal, `before` ""
    when there is none; `changed`: seconds since 1970; `used`: marks of the keys that were in use, oldest first."""

    began: str
    current: str
    before: str
    changed: float
    used: tuple[str, ...]


class ZoneKeyFile:
    """Where the changes of one key are kept: AES-256-GCM under a key made of `seal`, bound to `name`."""

    def __init__(self, folder: Path, name: str, seal: Secret) -> None:
        self._path = folder / name
        self._name = name
        key = HKDF(hashes.SHA256(), 32, None, b"authsvc zone keys").derive(seal.reveal())
        self._cipher = AESGCM(key)

    def state(self) -> tuple[int, int, int] | None:
        """Something that differs after every change; None without a file."""
        try:
            found = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def read(self) -> _Record | None:
        """None without a file. Raises ConfigError when it is not ours or was changed."""
        try:
            sealed = self._path.read_bytes()
            opened = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], self._name.encode())
            return msgspec.json.decode(opened, type=_Record)
        except FileNotFoundError:
            return None
        except (InvalidTag, ValueError):
            problem = "does not open under this key file; without it the key of the key file is in use again"
        except OSError as error:
            problem = str(error.strerror)
        raise ConfigError(f"{self._path}: {problem}")

    def write(self, record: _Record) -> None:
        """Durable when this returns; the old one or the new one, whatever happens meanwhile. Raises OSError."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, msgspec.json.encode(record), self._name.encode())
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._path.with_name(f"{self._name}.{os.getpid()}.new")
        fresh.touch(mode=0o600)
        with fresh.open("wb") as file:
            file.write(sealed)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class ZoneKey:
    """`first`: the key of the key file, in use until the peer changes it, and again when the file's own is another one;
    `overlap`: seconds for which the one before stays good; `clock`: seconds since 1970. Raises ConfigError as its file does."""

    def __init__(self, first: Secret, file: ZoneKeyFile, overlap: float, clock: Callable[[], float]) -> None:
        self._file = file
        self._overlap = overlap
        self._clock = clock
        self._began = _mark(first.reveal())
        self._record = _Record(self._began, first.reveal().hex(), "", 0.0, ())
        self._state: tuple[int, int, int] | None = None
        self._looked = 0.0
        self.version = 0
        self._read()

    @property
    def current(self) -> Secret:
        return Secret(bytes.fromhex(self._record.current))

    @property
    def before(self) -> Secret | None:
        """The key before, whether or not it is still good."""
        return Secret(bytes.fromhex(self._record.before)) if self._record.before else None

    def before_is_good(self) -> bool:
        """For a message that was under way when the key changed."""
        return self._clock() - self._record.changed < self._overlap

    def look(self) -> bool:
        """Read what another worker was given; whether there was something. A file that does not open changes nothing."""
        self._looked = self._clock()
        if self._file.state() == self._state:
            return False
        try:
            return self._read()
        except ConfigError as error:
            log.error("a changed key cannot be read", problem=str(error))
            return False

    def look_if_due(self) -> None:
        """`look`, once a second."""
        if not 0 <= self._clock() - self._looked < LOOK_SECONDS:
            self.look()

    def is_current(self, key: Secret) -> bool:
        return key.reveal() == bytes.fromhex(self._record.current)

    def was_used(self, key: Secret) -> bool:
        """Whether this key was in use before: one that is played to us again could be an old, known one."""
        return _mark(key.reveal()) in self._record.used

    def changed(self, key: Secret) -> _Record:
        """What is to be stored, by `store`, so that `key` is in use. No change yet."""
        used = (*self._record.used, _mark(bytes.fromhex(self._record.current)))
        return _Record(self._began, key.reveal().hex(), self._record.current, self._clock(), used[-MOST_REMEMBERED:])

    def store(self, record: _Record) -> None:
        """Durable when this returns; touches nothing else, so it may run on another thread. Raises OSError."""
        self._file.write(record)

    def _read(self) -> bool:
        self._state = self._file.state()
        record = self._file.read()
        if record is None:
            return False
        if record.began != self._began:  # the key file has a new one since, and that one counts
            used = (*record.used, _mark(bytes.fromhex(record.current)))
            self._record = structs.replace(self._record, used=used[-MOST_REMEMBERED:])
            return False
        self._record = record
        self.version += 1
        return True


class Tools(Generic[Tool]):
    """What is made of the keys in use, made once a key: the first is of the current one."""

    def __init__(self, key: ZoneKey, make: Callable[[Secret], Tool]) -> None:
        self._key = key
        self._make = make
        self._version = -1
        self._current: Tool
        self._before: Tool | None

    @property
    def current(self) -> Tool:
        self._key.look_if_due()
        self._renew()
        return self._current

    def first(self, fits: Callable[[Tool], Found | None]) -> Found | None:
        """What `fits` says of the first one that fits. When none does, another worker may know of a newer key."""
        self._key.look_if_due()
        for _ in range(2):
            self._renew()
            for tool in self._good():
                found = fits(tool)
                if found is not None:
                    return found
            if not self._key.look():
                return None
        return None

    def _good(self) -> Iterator[Tool]:
        yield self._current
        if self._before is not None and self._key.before_is_good():
            yield self._before

    def _renew(self) -> None:
        if self._version == self._key.version:
            return
        before = self._key.before
        self._current = self._make(self._key.current)
        self._before = None if before is None else self._make(before)
        self._version = self._key.version


def _mark(key: bytes) -> str:
    """What tells keys apart and leads to none of them."""
    return hashlib.blake2b(key, digest_size=16, person=b"zone key mark").hexdigest()
