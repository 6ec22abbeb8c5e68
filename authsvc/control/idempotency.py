"""The Idempotency-Key header: what makes a second call a repeat of the first."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec
from litestar import Request
from msgspec import Struct

from authsvc.codec.pan import holds_pan
from authsvc.control.bodies import Body
from authsvc.control.errors import bad_field

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[!-~]{1,128}\Z")


class Once(Struct, frozen=True):
    """`key`: of the header, "" when there is none (then every call is new); `call`: method and path."""

    key: str
    call: str

    def fingerprint(self, body: Body | None = None, extra: bytes = b"") -> str:
        """Names the call and its content, so that the same key with other content is found out.

        `body` must come without PIN and PAN: the journal keeps the fingerprint, and a plain hash of a PIN is a PIN.
        What is needed of them comes as `extra`: the PAN's keyed hash, or the PVV, which stands in the journal anyway.
        """
        content = b"" if body is None else msgspec.json.encode(body, order="sorted")
        return hashlib.blake2b(b"\x1f".join((self.call.encode(), content, extra)), digest_size=16).hexdigest()


def once(request: Request[Any, Any, Any]) -> Once:
    """Litestar dependency. 400 when the header is there but is not 1 to 128 visible ASCII characters,
    or holds a card number."""
    key = request.headers.get(HEADER.lower())
    if key is not None and not _KEY.match(key):
        raise bad_field(HEADER, "1 to 128 visible ASCII characters are needed")
    if key is not None and holds_pan(key):  # the journal keeps it, and a key cannot be masked: two would become one
        raise bad_field(HEADER, "it is kept, so it must not hold a card number")
    return Once(key or "", f"{request.method} {request.url.path}")
