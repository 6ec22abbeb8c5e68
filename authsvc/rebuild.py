"""Every account's Redis copy written anew from the ledger's head rows, at a rate that leaves a running engine its room.

Forward only, by the same compare-and-set as the engine (`state.copy`): a copy that is as new or newer stays, so this may
run at any time, beside any number of engines, and be stopped and begun again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Protocol

import msgspec
import redis
from msgspec import Struct

from authsvc.errors import StateDownError
from authsvc.ledger.journal import HeadRecord
from authsvc.model import Account, AccountId
from authsvc.state.copy import STORE_FORWARD, key_of_account

BATCH_MOST = 500
"""Accounts of one round trip to Redis."""
BATCHES_A_SECOND = 20
"""So that the bound on the rate holds within a tenth of a second, too."""

_account = msgspec.json.Decoder(Account).decode


Copied = tuple[str, int, bytes, str]
"""Key, sequence number, state and hash."""


class HeadReader(Protocol):
    """What a rebuild reads of a ledger (a part of `reconcile.LedgerReader`)."""

    def every_account(self) -> Iterator[AccountId]: ...
    def head_record(self, account: AccountId) -> HeadRecord | None: ...


class Done(Struct, frozen=True):
    """So far. `kept`: copies that were as new or newer; `damaged`: accounts without a head row that can be read."""

    written: int = 0
    kept: int = 0
    damaged: tuple[AccountId, ...] = ()

    @property
    def accounts(self) -> int:
        return self.written + self.kept + len(self.damaged)


def rebuild(
    reader: HeadReader, client: redis.Redis, per_second: int, now: Callable[[], float], sleep: Callable[[float], None]
) -> Iterator[Done]:
    """What is done after each batch; the last one is all. `per_second`: most accounts a second; `now`: monotonic seconds.

    Raises StateDownError when Redis goes away; what was written by then is good.
    """
    assert per_second > 0
    started, done = now(), Done()
    size = max(1, min(BATCH_MOST, per_second // BATCHES_A_SECOND))
    accounts = reader.every_account()
    while batch := list(islice(accounts, size)):
        done = _batch(reader, client, batch, done)
        yield done
        ahead = started + done.accounts / per_second - now()
        if ahead > 0:
            sleep(ahead)


def _batch(reader: HeadReader, client: redis.Redis, accounts: list[AccountId], done: Done) -> Done:
    damaged, copies = [], []
    for account in accounts:
        head = reader.head_record(account)
        if head is None or not _is_state_of(account, head):
            damaged.append(account)
            continue
        copies.append((key_of_account(account), head.seq, head.state, head.hash.hex()))
    try:
        taken = _store(client, copies)
    except redis.RedisError as error:
        raise StateDownError(f"Redis took no more after {done.accounts} accounts: {type(error).__name__}") from error
    written = taken.count(0)
    return Done(done.written + written, done.kept + len(taken) - written, (*done.damaged, *damaged))


def _store(client: redis.Redis, copies: list[Copied]) -> list[int]:
    """What `STORE_FORWARD` says of each: 0 when it was written. A cluster takes no scripts in a pipeline."""
    if isinstance(client, redis.RedisCluster):
        return [int(client.eval(STORE_FORWARD.decode(), 1, *copied)) for copied in copies]
    store = client.register_script(STORE_FORWARD)
    pipeline = client.pipeline(transaction=False)
    for key, seq, state, digest in copies:
        store([key], [seq, state, digest], client=pipeline)
    return pipeline.execute()


def _is_state_of(account: AccountId, head: HeadRecord) -> bool:
    """What cannot be read is not spread; `authsvc reconcile` tells more about it."""
    try:
        state = _account(head.state)
    except msgspec.DecodeError:
        return False
    return (state.id, state.seq, len(head.hash)) == (account, head.seq, 32)
