"""A decision on its way to the disk, the same for every ledger."""

from __future__ import annotations

import asyncio

from authsvc.errors import AuthsvcError
from authsvc.ledger.journal import ZERO_HASH, Row, VaultEntry, chain
from authsvc.model import Account, Decision, Head
from authsvc.model.documents import as_json, document_of


def appended(
    before: Head, decision: Decision, after: Account, vault: VaultEntry | None = None, every: int = 1
) -> tuple[Row, Head]:
    """What `journal.Ledger.append` was asked for, encoded, and the head it leaves: what cannot be encoded fails this one
    request alone. `every`: how many decisions on an account there may be for one document of it."""
    seq = before.account.seq
    assert decision.seq == after.seq == seq + 1
    assert decision.account == before.account.id == after.id
    assert seq > 0 or before.hash == ZERO_HASH
    encoded = as_json(decision)
    new_hash = chain(before.hash, encoded)
    kept = before.kept
    state = b""
    if kept < 0 or after.seq - kept >= every:
        state, kept = document_of(after), after.seq
    row = Row(decision.account, seq, before.hash, encoded, new_hash, state, vault)
    return row, Head(after, new_hash, state, kept)


def resolve(durable: asyncio.Future[None], outcome: AuthsvcError | None) -> None:
    """Tell the waiter, if it has not gone; the decision stands all the same."""
    if durable.done():
        return
    if outcome is None:
        durable.set_result(None)
    else:
        durable.set_exception(outcome)
