"""The file of bearer tokens: who may call the control API, changed while the engine runs (`authsvc token …`).

Of a token only the SHA-256 is kept; it has 256 random bits, so there is nothing to guess and no salt is needed. Several
tokens of one name are good at the same time: that is how one is rotated.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from authsvc.config import Role
from authsvc.errors import ConfigError
from authsvc.model import UnixMs

PREFIX = "authsvc_"  # so that a secret scanner finds one that was left somewhere
NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,39}\Z"


class Kept(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One token. `id`: NAME.NUMBER, what the journal names; `sha256`: lower-case hex; `created`, `expires`: Unix ms,
    0 is never."""

    id: Annotated[str, Meta(pattern=NAME.removesuffix("\\Z") + r"\.[0-9]{1,6}$")]
    role: Role
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    created: UnixMs
    expires: UnixMs = UnixMs(0)

    def is_good(self, now: UnixMs) -> bool:
        return not self.expires or now < self.expires


def is_name(text: str) -> bool:
    """Whether somebody's tokens can be named so."""
    return re.match(NAME, text) is not None


def token_hash(token: str) -> str:
    """The name a token is known by: SHA-256 in hex of its UTF-8."""
    return hashlib.sha256(token.encode()).hexdigest()


def read(path: Path) -> tuple[Kept, ...]:
    """None there yet: no tokens. Raises ConfigError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Kept, ...])
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigError(f"control.token_file: {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise ConfigError(f"control.token_file: {path}: {error}") from None  # the cause would show the line


def change(path: Path, how: Callable[[tuple[Kept, ...]], tuple[Kept, ...]]) -> None:
    """Write what `how` makes of the tokens, in one step: a reader sees the old file or the new one. Raises ConfigError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            changed = how(read(path))
            fresh = path.with_name(f".{path.name}.new")
            fresh.touch(mode=0o600)
            fresh.write_bytes(msgspec.json.format(msgspec.json.encode(changed), indent=2) + b"\n")
            fresh.replace(path)
    except OSError as error:
        raise ConfigError(f"control.token_file: {path}: {error.strerror}") from error


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two who change it at the same time come one after the other."""
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def new(path: Path, name: str, role: Role, now: UnixMs, expires: UnixMs) -> tuple[Kept, str]:
    """A new token: what is kept of it, and its text, which nobody will see again. Raises ConfigError."""
    text = PREFIX + secrets.token_urlsafe(32)
    made: list[Kept] = []

    def add(tokens: tuple[Kept, ...]) -> tuple[Kept, ...]:
        numbers = [int(each.id.rpartition(".")[2]) for each in tokens if each.id.rpartition(".")[0] == name]
        made.append(Kept(f"{name}.{max(numbers, default=0) + 1}", role, token_hash(text), now, expires))
        return (*tokens, made[0])

    change(path, add)
    return made[0], text


def revoke(path: Path, token_id: str, at: UnixMs) -> bool:
    """The token is good until `at` and not longer; False when there is none by this id. It stays listed, so that the
    journal's ids can still be explained. Raises ConfigError."""
    found = False

    def end(tokens: tuple[Kept, ...]) -> tuple[Kept, ...]:
        nonlocal found
        found = any(each.id == token_id for each in tokens)
        return tuple(
            msgspec.structs.replace(each, expires=min(at, each.expires or at)) if each.id == token_id else each
            for each in tokens
        )

    change(path, end)
    return found
