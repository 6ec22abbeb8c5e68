"""The copy of every account's state in Redis: read first, written forward only, believed never.

What the key of an account has is told in `fields`. Any may be missing, behind, ahead or damaged at any moment: what is wrong
is replaced from the journal, and what is behind loses the journal's compare-and-set. No fault of Redis reaches a caller.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from functools import partial

import hiredis

from authsvc.errors import LedgerDownError, StateDownError
from authsvc.logs import get_logger
from authsvc.metrics import Metrics, MissCause
from authsvc.model import AccountId, Head
from authsvc.state.connection import Connection
from authsvc.state.fields import FIELDS, Fields, fields_of, head_in, key_of_account
from authsvc.state.redis_link import Reply, Word
from authsvc.state.resting import LOOK_SECONDS, Resting

FromJournal = Callable[[AccountId], Awaitable[Head | None]]

# KEYS[1] the account's key; ARGV: v, s, h, k, c. A `v` that is no number is garbage: anything is newer than it. Returns 0 when
# stored, else the `v` that is as new or newer.
STORE_FORWARD = b"""
local v = redis.call('HGET', KEYS[1], 'v')
if v and (tonumber(v) or -1) >= tonumber(ARGV[1]) then return tonumber(v) end
redis.call('HSET', KEYS[1], 'v', ARGV[1], 's', ARGV[2], 'h', ARGV[3], 'k', ARGV[4], 'c', ARGV[5])
return 0
"""
STORE_FORWARD_SHA = hashlib.sha1(STORE_FORWARD, usedforsecurity=False).hexdigest().encode()

log = get_logger(__name__)


class RedisState:
    """What the pipeline knows of accounts. `from_journal` reads the head row; its LedgerDownError passes through. `patience`:
    seconds from one state of an account that Redis gets to the next, where nobody else decides; 0: it gets each."""

    def __init__(
        self,
        connection: Connection,
        from_journal: FromJournal,
        metrics: Metrics,
        patience: float = 0.0,
    ) -> None:
        self._connection = connection
        self._from_journal = from_journal
        self._metrics = metrics
        self._patience = patience
        self._resting = Resting(patience)
        self._told: dict[AccountId, Fields] = {}  # the newest of each on its way to Redis: a question may overtake it
        self._next_look: asyncio.TimerHandle | None = None
        self._reads: dict[AccountId, asyncio.Task[Head | None]] = {}
        self._doubted: dict[AccountId, asyncio.Task[None]] = {}
        self._store_failing = False

    @property
    def up(self) -> bool:
        """Whether Redis answers; when not, everything goes on from the journal."""
        return self._connection.up

    async def load(self, account: AccountId) -> Head | None:
        """The account as Redis knows it, else as the journal does; None when neither does. It may be behind."""
        waiting = self._resting.waiting(account)
        if waiting is not None:
            return waiting
        told = self._told.get(account) if self._patience else None
        if told is not None:  # it has left us, and Redis may not have it yet
            return head_in(account, told)
        reply = await self._asked(account)
        if type(reply) is StateDownError:
            return await self._missed(account, "down")
        if reply == _NOTHING:
            return await self._missed(account, "missing")
        head = head_in(account, reply)
        if head is None:
            self._forget(account)  # a `v` of garbage must not keep the right state out
            return await self._missed(account, "damaged")
        return head

    async def _asked(self, account: AccountId) -> Reply | StateDownError:
        """Where others decide too, in line with what we tell Redis: what they tell it stands in a line as long, and a question
        that overtakes both finds what is old. A lost race is dearer than the wait."""
        words = ("HMGET", key_of_account(account), *FIELDS)
        if not self._patience:
            return await self._in_line(*words)
        try:
            return await self._connection.call(*words)
        except StateDownError as error:
            return error

    async def rebuild(self, account: AccountId) -> Head | None:
        """The account as the journal knows it now, after the copy lost the race. A copy that is not behind the journal
        even so (Redis outlived a journal that went back in time) is thrown away first.

        Sound because the copy is written after the journal: what is read from it first cannot be ahead of what the
        journal says later.
        """
        self._resting.forget(account)
        self._told.pop(account, None)
        copied = await self._sequence(account)
        head = await self._from_journal(account)
        if copied is not None and (head is None or copied >= head.account.seq):
            self._forget(account)
        if head is not None:
            self.store(head)
        return head

    def store(self, head: Head) -> None:
        """Give Redis a newer state. Nobody waits for it; a state that is not newer changes nothing."""
        if not self._connection.up:
            self._resting.forget(head.account.id)  # what waits is older now
        elif not self._patience:
            self._store(head)
        else:
            self._resting.wait(head)
            if self._next_look is None:
                self._next_look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def call_for(self, account: AccountId) -> None:
        """Redis gets what waits of this account now: it is to take no memory here any more."""
        head = self._resting.called_for(account)
        if head is not None and self._connection.up:
            self._store(head)

    def _look(self) -> None:
        """Write what may follow. While Redis is away that is gone: the journal knows it."""
        loop = asyncio.get_running_loop()
        due = self._resting.due(loop.time())
        for head in due if self._connection.up else ():
            self._store(head)
        self._next_look = loop.call_later(LOOK_SECONDS, self._look) if self._resting else None

    async def peek(self, account: AccountId) -> Head | None:
        """What the copy itself holds, without the journal; None when missing, damaged or out of reach (see `up`)."""
        return head_in(account, await self._in_line("HMGET", key_of_account(account), *FIELDS))

    async def close(self) -> None:
        """Let go of Redis, and end the journal reads that nobody waits for any more."""
        if self._next_look is not None:
            self._next_look.cancel()
        for head in self._resting.all():
            self._store(head)
        for read in [*self._reads.values(), *self._doubted.values()]:
            read.cancel()
        await self._connection.close()

    async def _missed(self, account: AccountId, cause: MissCause) -> Head | None:
        """Read the journal, once for all who miss the same account meanwhile."""
        self._metrics.state_miss(cause)
        read = self._reads.get(account)
        if read is None:
            read = self._reads[account] = asyncio.ensure_future(self._read(account))
            read.add_done_callback(partial(self._was_read, account))
        return await asyncio.shield(read)  # one who gives up must not take it from the others

    async def _read(self, account: AccountId) -> Head | None:
        return await self._from_journal(account)

    def _was_read(self, account: AccountId, read: asyncio.Task[Head | None]) -> None:
        """Store what was found. The read stays shared until Redis has it, and for one turn more: what it said before to whoever
        asked too early may lie in the other socket, and is taken out of it in the same turn."""
        loop = asyncio.get_running_loop()

        def done() -> None:
            loop.call_soon(self._read_is_over, account, read)

        failed = read.cancelled() or read.exception() is not None  # raised to who waits; asked, or asyncio complains
        head = None if failed else read.result()
        if head is not None and self.up:
            self._store(head, done)
        else:
            self._read_is_over(account, read)

    def _read_is_over(self, account: AccountId, read: asyncio.Task[Head | None]) -> None:
        if self._reads.get(account) is read:
            del self._reads[account]

    def _store(self, head: Head, done: Callable[[], None] | None = None) -> None:
        account, fields = head.account.id, fields_of(head)
        self._told[account] = fields
        # No closure that resends itself: it would be a cycle, and keep the state until the next garbage collection.
        stored = partial(self._stored, account, fields, done)
        self._connection.send(b"EVALSHA", STORE_FORWARD_SHA, b"1", key_of_account(account), *fields, on_reply=stored)

    def _stored(
        self, account: AccountId, fields: Fields, done: Callable[[], None] | None, reply: Reply | StateDownError
    ) -> None:  # fmt: skip
        if isinstance(reply, hiredis.ReplyError) and str(reply).startswith("NOSCRIPT"):
            again = partial(self._stored, account, fields, done)  # EVAL keeps the script as well
            self._connection.send(b"EVAL", STORE_FORWARD, b"1", key_of_account(account), *fields, on_reply=again)
            return
        told = self._told.get(account)
        if told is not None and told[1] is fields[1]:  # not the tuples: compiled, they have no identity
            del self._told[account]
        if reply.__class__ is int:
            self._store_failing = False
            if reply > int(fields[0]):
                self._doubt(account, reply)
        else:
            self._store_failed(reply)
            if isinstance(reply, hiredis.ReplyError) and str(reply).startswith("WRONGTYPE"):
                self._forget(account)  # somebody else's hand: the next store begins anew
        if done is not None:
            done()

    def _doubt(self, account: AccountId, found: int) -> None:
        """The copy is newer than what we stored: another worker's, or ahead of the journal. Asked once at a time."""
        if account not in self._doubted:
            self._doubted[account] = asyncio.ensure_future(self._compare(account, found))

    async def _compare(self, account: AccountId, found: int) -> None:
        """Throw away a copy that no decision stands behind: what another worker stored is in the journal by now."""
        try:
            head = await self._from_journal(account)
            if head is None or head.account.seq < found:
                self._forget(account)
        except LedgerDownError:
            log.warning("a copy that is ahead could not be compared with the journal")
        finally:
            del self._doubted[account]

    def _store_failed(self, reply: Reply | StateDownError) -> None:
        """Count it; log the first of a row, not one per message."""
        self._metrics.state_store_failed()
        if not self._store_failing:
            log.warning("redis does not take states", cause=_code(reply))
        self._store_failing = True

    def _forget(self, account: AccountId) -> None:
        self._connection.send("DEL", key_of_account(account), on_reply=_whatever)

    async def _sequence(self, account: AccountId) -> int | None:
        """The copy's sequence number; None when there is none to be had. Garbage is above every number."""
        reply = await self._in_line("HGET", key_of_account(account), "v")
        if reply is None or type(reply) is StateDownError:
            return None
        return int(reply) if isinstance(reply, bytes) and reply.isdigit() else _ABOVE_ALL

    async def _in_line(self, *words: Word) -> Reply | StateDownError:
        """What Redis says when it has been told all that it is being told now."""
        answer: asyncio.Future[Reply | StateDownError] = asyncio.get_running_loop().create_future()
        self._connection.send(*words, on_reply=answer.set_result)
        return await answer


_NOTHING = [None] * len(FIELDS)
_ABOVE_ALL = 2**63


def _whatever(_reply: Reply | StateDownError) -> None:
    """A key that could not be deleted is still damaged at the next load, and deleted then."""


def _code(reply: Reply) -> str:
    """The first word of an error: what follows may quote our command."""
    return str(reply).split(" ")[0] if isinstance(reply, hiredis.ReplyError) else type(reply).__name__
