"""An account's copy as the fields of a Redis hash: how a head becomes one, and what of a reply is believed.

`acct:{ACCOUNT}` has `v` (sequence number), `s` (the account as JSON, for redis-cli), `h` (hash of its last decision, hex), `k`
(the decision that the newest document in the journal is as of; a wrong one costs time, nothing else) and `c` (a CRC-32 of all
of it, and what the holds come to: so the right copy of an account with hundreds need not be looked into).
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import msgspec

from authsvc.model import Account, AccountId, Head
from authsvc.model.documents import account_of, document_of

FIELDS = ("v", "s", "h", "k", "c")
Fields = tuple[bytes, bytes, bytes, bytes, bytes]
"""Values of `FIELDS`, as Redis gives them back."""


def key_of_account(account: AccountId) -> str:
    """The Redis key; the braces keep all of an account on one node of a cluster."""
    return f"acct:{{{account}}}"


def fields_of(head: Head) -> Fields:
    """Budget: 5 µs, and 0.1 a hold."""
    account = head.account
    seq, kept = b"%d" % account.seq, b"%d" % head.kept
    state, digest, told = head.state or document_of(account), head.hash.hex().encode(), account.holds.told
    return seq, state, digest, kept, b"%d %b" % (_check(seq, state, digest, kept, told), told)


def _check(seq: bytes, state: bytes, digest: bytes, kept: bytes, told: bytes) -> int:
    return crc32(state, crc32(b"%b %b %b %b" % (seq, digest, kept, told)))


def head_in(account: AccountId, reply: Any) -> Head | None:
    """A reply to HMGET `FIELDS`, or what `fields_of` made, as a head; None when it is not the whole and right state of this
    account. Budget: 8 µs, and 0.2 a hold."""
    if type(reply) is not list and type(reply) is not tuple:  # an error: the key is of another type
        return None
    try:
        seq, state, digest, kept, checked = reply
        found = _whole(state) if checked is None else _as_checked(seq, state, digest, kept, checked)
        head = Head(found, bytes.fromhex(digest.decode()), kept=-1 if kept is None else int(kept))
        right = found.id == account and found.seq == int(seq) >= head.kept and len(head.hash) == 32
    except (msgspec.DecodeError, ValueError, TypeError, AttributeError, RecursionError):
        return None  # TypeError, AttributeError: a field is missing (None); RecursionError: JSON of brackets
    return head if right else None


def _as_checked(seq: bytes, state: bytes, digest: bytes, kept: bytes, checked: bytes) -> Account:
    """Raises ValueError when it is not what was written."""
    check, _, told = checked.partition(b" ")
    if int(check) != _check(seq, state, digest, kept, told):
        raise ValueError("not as it was written")
    return account_of(state, told)


def _whole(state: bytes) -> Account:
    """By a program that wrote no check: all of it is looked into here, where a damaged one can still be replaced."""
    found = account_of(state)
    found.holds.all()
    list(found.posted)
    return found
