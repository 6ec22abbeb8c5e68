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
from authsvc.ledger.journal import HeadRecord, Record
from authsvc.model import AccountId, Decision, Head
from authsvc.model.documents import account_of
from authsvc.rules.evolve import evolve
from authsvc.state.copy import STORE_FORWARD
from authsvc.state.fields import Fields, fields_of, key_of_account

BATCH_MOST = 500
"""Accounts of one round trip to Redis."""
BATCHES_A_SECOND = 20
"""So that the bound on the rate holds within a tenth of a second, too."""


_decision = msgspec.json.Decoder(Decision).decode

Copied = tuple[str, Fields]
"""Key and values."""


class HeadReader(Protocol):
    """What a rebuild reads of a ledger (a part of `reconcile.LedgerReader`)."""

    def every_account(self) -> Iterator[AccountId]: ...
    def head_record(self, account: AccountId) -> HeadRecord | None: ...
    def records(self, account: AccountId, after: int = 0) -> Iterator[Record]: ...


class Done(Struct, frozen=True):
    """So far. `kept`: copies that were as new or newer; `damaged`: accounts without a head row that can be read."""

    written: int = 0
    kept: int = 0
    damaged: tuple[AccountId, ...] = ()

    @property
    def accounts(self) -> int:
        return self.written + self.kept + len(self.damaged)


def rebuild(
    reader: HeadReader,
    client: redis.Redis | redis.RedisCluster,
    per_second: int,
    now: Callable[[], float],
    sleep: Callable[[float], None],
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


def _batch(reader: HeadReader, client: redis.Redis | redis.RedisCluster, accounts: list[AccountId], done: Done) -> Done:
    damaged, copies = [], []
    for account in accounts:
        found = _newest(reader, account)
        if found is None:
            damaged.append(account)
            continue
        copies.append((key_of_account(account), fields_of(found)))
    try:
        taken = _store(client, copies)
    except redis.RedisError as error:
        raise StateDownError(f"Redis took no more after {done.accounts} accounts: {type(error).__name__}") from error
    written = taken.count(0)
    return Done(done.written + written, done.kept + len(taken) - written, (*done.damaged, *damaged))


def _store(client: redis.Redis | redis.RedisCluster, copies: list[Copied]) -> list[int]:
    """What `STORE_FORWARD` says of each: 0 when it was written. A cluster takes no scripts in a pipeline."""
    if isinstance(client, redis.RedisCluster):
        return [int(client.eval(STORE_FORWARD.decode(), 1, key, *fields)) for key, fields in copies]
    store = client.register_script(STORE_FORWARD)
    pipeline = client.pipeline(transaction=False)
    for key, fields in copies:
        store([key], fields, client=pipeline)
    return pipeline.execute()


def _newest(reader: HeadReader, account: AccountId) -> Head | None:
    """The account's document and what was decided since. None: what cannot be read is not spread; `authsvc reconcile` tells
    more about it."""
    head = reader.head_record(account)
    if head is None or len(head.hash) != 32:
        return None
    try:
        state = account_of(head.state)
        state.holds.all()
        if (state.id, state.seq) != (account, head.state_seq):
            return None
        for record in reader.records(account, head.state_seq):
            if record.columns.seq > head.seq:  # decided while we read
                break
            state = evolve(state, _decision(record.decision))
    except (msgspec.DecodeError, AssertionError, LookupError):  # of a decision that does not follow
        return None
    return Head(state, head.hash, kept=head.state_seq) if state.seq == head.seq else None
