"""The questions to the PostgreSQL ledger, on any connection or pool of connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import asyncpg
import msgspec

from authsvc.gauges import EXPIRING_MS, Held, OpenHolds
from authsvc.ledger.entries import CARDHOLDER
from authsvc.ledger.holds import HoldRow
from authsvc.ledger.journal import JournalRow, VaultEntry
from authsvc.ledger.postgres_database import ROWS_A_TRANSACTION
from authsvc.model import (
    AccountId,
    Approved,
    Authorization,
    CardId,
    Decision,
    Head,
    HoldEnd,
    HoldId,
    Key,
    Minor,
    Original,
    Posted,
    Posting,
    PostingId,
    PostingReduced,
    Presentment,
    UnixMs,
    names,
)
from authsvc.model.documents import account_of

_decision = msgspec.json.Decoder(Decision).decode

_ROW = "SELECT position, seq, hash, decision FROM journal"
AUTHORIZATION, PRESENTMENT = "authorization", "presentment"
"""Kinds of journal rows that can be the original of another."""
HOLD = "SELECT id, account, card, amount, created, expires, status, ended_at, code, product FROM holds"
_OPEN_HOLDS = """
SELECT count(*), coalesce(sum(amount), 0)::bigint, min(created), min(expires), count(*) FILTER (WHERE expires <= $1)
FROM holds WHERE status = 'open'"""
_HELD = "SELECT product, count(*), sum(amount)::bigint FROM holds WHERE status = 'open' GROUP BY product"
_VAULT = "SELECT pan_hash, account, card, last4, sealed_pan FROM vault"
# Positions grow with the number of the transaction, but commits come in any order. What is below the oldest transaction
# that still runs is final: nothing can appear there any more, so a reader's cursor never steps over a late commit.
_SINCE = f"""
{_ROW} WHERE position > $1 AND position < (
    SELECT position_base + pg_snapshot_xmin(pg_current_snapshot())::text::bigint * {ROWS_A_TRANSACTION}
    FROM ledger_schema
) ORDER BY position LIMIT $2"""


class Source(Protocol):
    """A connection or a pool of them."""

    async def fetch(self, query: str, *args: object) -> Sequence[asyncpg.Record]: ...


class PostgresReader:
    """Reads the ledger. Raises whatever asyncpg raises; each question is one statement."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def head(self, account: AccountId) -> Head | None:
        rows = await self._source.fetch("SELECT state, hash FROM head WHERE account = $1", account)
        return next((Head(account_of(state.encode()), hashed) for state, hashed in rows), None)

    async def earlier(self, account: AccountId, key: Key, stan: str) -> Decision | None:
        # "key <> 0" lets the planner use the partial index, here and for rrn and stan below.
        rows = await self._rows(
            f"{_ROW} WHERE key = $1 AND key <> 0 AND account = $2 AND stan = $3 ORDER BY seq LIMIT 1",
            key,
            account,
            stan,
        )
        return next((row.decision for row in rows), None)

    async def original(
        self, account: AccountId, card: CardId, original: Original, terminal: str, merchant: str
    ) -> tuple[Decision, HoldEnd | None] | None:
        column, value = ("stan", original.stan) if original.stan else ("rrn", original.rrn)
        kind = PRESENTMENT if original.mti[:3] == "022" else AUTHORIZATION
        query = f"{_ROW} WHERE {column} = $1 AND {column} <> '' AND account = $2 AND kind = $3 ORDER BY seq DESC"
        newest: Decision | None = None
        for row in await self._rows(query, value, account, kind):
            request = row.decision.request
            assert isinstance(request, Authorization | Presentment)
            if request.card != card or not names(original, terminal, merchant, request.origin):
                continue
            if isinstance(row.decision.outcome, Approved):
                return row.decision, await self._end_of(account, row.decision.outcome.hold)
            newest = newest or row.decision
        return None if newest is None else (newest, None)

    async def journal(self, account: AccountId, after: int, limit: int) -> list[JournalRow]:
        return await self._rows(f"{_ROW} WHERE account = $1 AND seq > $2 ORDER BY seq LIMIT $3", account, after, limit)

    async def since(self, position: int, limit: int) -> list[JournalRow]:
        return await self._rows(_SINCE, position, limit)

    async def orders(self, at: UnixMs, position: int, limit: int) -> list[JournalRow]:
        query = f"{_ROW} WHERE stan = '' AND (at, position) > ($1, $2) ORDER BY at, position LIMIT $3"
        return await self._rows(query, at, position, limit)

    async def find(self, rrn: str, stan: str, account: str, limit: int) -> list[JournalRow]:
        given = {column: value for column, value in (("rrn", rrn), ("stan", stan), ("account", account)) if value}
        wanted = " AND ".join(f"{column} = ${nth} AND {column} <> ''" for nth, column in enumerate(given, 1)) or "TRUE"
        query = f"{_ROW} WHERE {wanted} ORDER BY position DESC LIMIT ${len(given) + 1}"
        return await self._rows(query, *given.values(), limit)

    async def hold(self, account: AccountId, hold_id: HoldId) -> HoldRow | None:
        rows = await self._source.fetch(f"{HOLD} WHERE account = $1 AND id = $2", account, hold_id)
        return next((HoldRow(*row) for row in rows), None)

    async def holds(self, account: AccountId) -> list[HoldRow]:
        """Open and ended ones, oldest first."""
        rows = await self._source.fetch(f'{HOLD} WHERE account = $1 ORDER BY created, id COLLATE "C"', account)
        return [HoldRow(*row) for row in rows]

    async def hold_by_code(self, account: AccountId, card: CardId, code: str) -> HoldRow | None:
        query = f"{HOLD} WHERE code = $1 AND code <> '' AND account = $2 AND card = $3 ORDER BY created DESC LIMIT 1"
        return next((HoldRow(*row) for row in await self._source.fetch(query, code, account, card)), None)

    async def due(self, now: UnixMs, limit: int) -> list[AccountId]:
        """Accounts with open holds whose time is over, those that wait longest first."""
        query = "SELECT account FROM holds WHERE status = 'open' AND expires <= $1 ORDER BY expires LIMIT $2"
        return list(dict.fromkeys(AccountId(account) for (account,) in await self._source.fetch(query, now, limit)))

    async def open_holds(self, now: UnixMs) -> OpenHolds:
        """Reads `holds_open`, which has all the columns."""
        return OpenHolds(*(await self._source.fetch(_OPEN_HOLDS, now + EXPIRING_MS))[0])

    async def held_by_product(self) -> dict[str, Held]:
        return {product: Held(number, amount) for product, number, amount in await self._source.fetch(_HELD)}

    async def posting(self, account: AccountId, posting: PostingId) -> Posting | None:
        """As it is now: its newest entries say which decision changed it last."""
        newest = "SELECT max(seq) FROM entries WHERE posting = $1 AND account = $2"
        rows = await self._rows(f"{_ROW} WHERE account = $2 AND seq = ({newest})", posting, account)
        moved = (one for row in rows for one in row.decision.changes if isinstance(one, Posted | PostingReduced))
        return next((one.posting for one in moved if one.posting.id == posting), None)

    async def movements(
        self, account: AccountId, since: UnixMs, until: UnixMs, after: int, limit: int
    ) -> list[JournalRow]:
        """Decisions of the account that moved money from `since` on and before `until`, above seq `after`, in order."""
        moved = "SELECT seq FROM entries WHERE account = $1 AND seq > $4 AND at >= $2 AND at < $3"
        query = f"{_ROW} WHERE account = $1 AND seq IN ({moved}) ORDER BY seq LIMIT $5"
        return await self._rows(query, account, since, until, after, limit)

    async def balance_before(self, account: AccountId, at: UnixMs) -> Minor:
        """The balance of the account from what moved before `at`, grosze."""
        query = "SELECT coalesce(sum(amount), 0) FROM postings WHERE account = $1 AND ledger_account = $2 AND at < $3"
        ((amount,),) = await self._source.fetch(query, account, CARDHOLDER, at)
        return Minor(-int(amount))

    async def trial_balance(self, until: UnixMs) -> dict[str, Minor]:
        """Each ledger account and what it holds before `until`, grosze: debits above zero, credits below."""
        query = 'SELECT ledger_account, sum(amount) FROM postings WHERE at < $1 GROUP BY 1 ORDER BY ledger_account COLLATE "C"'
        return {str(name): Minor(int(amount)) for name, amount in await self._source.fetch(query, until)}

    async def vault_by_hash(self, pan_hash: bytes) -> VaultEntry | None:
        return await self._vault("pan_hash", pan_hash)

    async def vault_by_card(self, card: CardId) -> VaultEntry | None:
        return await self._vault("card", card)

    async def accounts(self, after: str, limit: int) -> list[AccountId]:
        query = "SELECT account FROM head WHERE account > $1 ORDER BY account LIMIT $2"
        return [AccountId(account) for (account,) in await self._source.fetch(query, after, limit)]

    async def _rows(self, query: str, *values: str | int) -> list[JournalRow]:
        rows = await self._source.fetch(query, *values)
        return [JournalRow(position, seq, hashed, _decision(decision)) for position, seq, hashed, decision in rows]

    async def _end_of(self, account: AccountId, hold_id: HoldId) -> HoldEnd | None:
        found = await self.hold(account, hold_id) if hold_id else None
        return None if found is None else found.end

    async def _vault(self, column: str, value: str | bytes) -> VaultEntry | None:
        rows = await self._source.fetch(f"{_VAULT} WHERE {column} = $1", value)
        return next((VaultEntry(*row) for row in rows), None)
