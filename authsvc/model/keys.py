"""What makes a message, or a command, the same one: `wire.md` section 3, "What makes a message the same one"."""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct

from authsvc.model.commands import Message, Request
from authsvc.model.messages import Authorization, Presentment, Reversal
from authsvc.model.names import Key

_number = Struct(">Q")


def key_of(*parts: str) -> Key:
    """63 bits of a hash over the parts."""
    return _key_of("\x1f".join(parts))


def _key_of(parts: str) -> Key:
    (number,) = _number.unpack(blake2b(parts.encode(), digest_size=8).digest())
    return Key(number >> 1)


def request_key(request: Request) -> Key | None:
    """The key that makes a second one a repeat; None for a command without an idempotency key (never a repeat)."""
    if isinstance(request, Authorization):  # the most; a union is made anew each time, and asked for its parts
        return _key_of_message(request)
    if isinstance(request, Reversal | Presentment):
        if request.origin.stan:
            return _key_of_message(request)
        # by no message: a file, or the API
        return key_of("presentment", request.account, request.idempotency) if request.idempotency else None
    return key_of("command", request.account, request.idempotency) if request.idempotency else None


def _key_of_message(request: Message) -> Key:
    origin = request.origin
    card = request.virtual or request.card  # DE2 is part of what makes a repeat
    names = (origin.mti[:3], card, origin.sent, origin.stan, origin.acquirer, origin.terminal, origin.merchant)
    return _key_of("\x1f".join(names))
