"""The account as the JSON document that ledger and Redis keep: `holds` last, so that one more hold is written behind those that
are there already. A message adds one hold or none, and an account may have hundreds."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from authsvc.model.accounts import Account, Head

as_json = msgspec.json.Encoder().encode
_HOLDS = b',"holds":['
_END = b"]}"


class Document(Struct, frozen=True, gc=False):
    """`json`: the whole; `holds_at`: where in it the first hold begins, 0 where there is none."""

    json: bytes
    holds_at: int = 0


def document_of(after: Account, before: Head) -> Document:
    """The document of `after`; as far as its holds begin with those of `before`, they are taken from there. Budget: 3 µs, and
    0.3 for each hold that must be written anew."""
    holds = after.holds
    if not holds:
        return Document(as_json(after))
    start = as_json(replace(after, holds=()))[:-1] + _HOLDS
    known = len(before.account.holds) if before.holds_at else 0
    if known and holds[:known] == before.account.holds:  # the same objects: no hold is looked into
        content, more = before.state[before.holds_at : -len(_END)], holds[known:]
        parts = (start, content, b",", as_json(more)[1:-1], _END) if more else (start, content, _END)
    else:
        parts = (start, as_json(holds)[1:-1], _END)
    return Document(b"".join(parts), len(start))
