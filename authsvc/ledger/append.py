"""A decision on its way to the disk, the same for every ledger."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from authsvc.errors import AuthsvcError
from authsvc.ledger.journal import ZERO_HASH, Row, VaultEntry, chain
from authsvc.model import Account, AccountId, Decision, Head
from authsvc.model.documents import as_json, document_of


class Append(Struct):
    """A `Row` with its decision at hand, and who waits for it."""

    account: AccountId
    seq: int
    hash: bytes
    decision: Decision
    encoded: bytes
    new_hash: bytes
    state: bytes
    kept: int
    vault: VaultEntry | None
    durable: asyncio.Future[None]

    @property
    def row(self) -> Row:
        return Row(self.account, self.seq, self.hash, self.encoded, self.new_hash, self.state, self.vault)

    def head(self, after: Account) -> Head:
        """What this leaves of the account."""
        return Head(after, self.new_hash, self.state, self.kept)


def append_of(
    before: Head,
    decision: Decision,
    after: Account,
    vault: VaultEntry | None,
    durable: asyncio.Future[None],
    every: int = 1,
) -> Append:
    """What `journal.Ledger.append` was asked for, encoded: what cannot be encoded fails this one request alone. `every`: how
    many decisions on an account there may be for one document of it."""
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
    return Append(decision.account, seq, before.hash, decision, encoded, new_hash, state, kept, vault, durable)


def resolve(durable: asyncio.Future[None], outcome: AuthsvcError | None) -> None:
    """Tell the waiter, if it has not gone; the decision stands all the same."""
    if durable.done():
        return
    if outcome is None:
        durable.set_result(None)
    else:
        durable.set_exception(outcome)
