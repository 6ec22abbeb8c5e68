"""One batch of appends, one statement: one trip to the server, and one commit of its own.

The statement moves heads by compare-and-set and writes all else only for accounts whose head it moved, so an account's
part of a batch is taken whole or not at all. It has no effect the second time: its heads have moved on. That is what
makes it safe to send again after a commit whose outcome nobody knows.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence

import asyncpg
from msgspec import Struct

from authsvc.errors import AuthsvcError, StaleAccountError
from authsvc.ledger.entries import entries_of
from authsvc.ledger.holds import hold_rows
from authsvc.ledger.journal import PanTakenError, Row, columns
from authsvc.ledger.postgres_database import ROWS_A_TRANSACTION, Connection
from authsvc.model import AccountId, Decision

HOLD_NOT_OPEN = "AS001"
PAN_TAKEN = "AS002"

# "(… IN (…)) IS TRUE": a lookup in a hash of the accounts that were taken. A plain IN would be a join, and the planner,
# which knows nothing of the arrays, would make it one of nested loops. New heads come first and the arrays are in order
# of account, so that two workers lock the same rows in the same order; where they still do not, the server names a
# deadlock and the batch is sent again.
APPEND = f"""
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::bigint[], $5::bytea[], $6::text[])
        AS t (account, old_seq, old_hash, seq, hash, state)
), born AS (
    INSERT INTO head (account, seq, hash, state)
    SELECT account, seq, hash, state FROM asked WHERE old_seq = 0
    ON CONFLICT (account) DO NOTHING RETURNING account
), moved AS (
    UPDATE head SET seq = asked.seq, hash = asked.hash, state = asked.state FROM asked
    WHERE asked.old_seq > 0 AND head.account = asked.account AND head.seq = asked.old_seq AND head.hash = asked.old_hash
    RETURNING head.account
), taken AS MATERIALIZED (
    SELECT account FROM born UNION ALL SELECT account FROM moved
), place AS MATERIALIZED (
    SELECT position_base + pg_current_xact_id()::text::bigint * {ROWS_A_TRANSACTION} - 1 AS before FROM ledger_schema
), written AS (
    INSERT INTO journal (account, seq, at, kind, key, rrn, stan, decision, hash, position)
    SELECT account, seq, at, kind, key, rrn, stan, decision, hash, (SELECT before FROM place) + nth
    FROM unnest($7::text[], $8::bigint[], $9::bigint[], $10::text[], $11::bigint[], $12::text[], $13::text[], $14::text[],
                $15::bytea[]) WITH ORDINALITY AS t (account, seq, at, kind, key, rrn, stan, decision, hash, nth)
    WHERE (account IN (SELECT account FROM taken)) IS TRUE
), placed AS (
    INSERT INTO holds (id, account, card, amount, created, expires, status, ended_at, code, product)
    SELECT * FROM unnest($16::text[], $17::text[], $18::text[], $19::bigint[], $20::bigint[], $21::bigint[], $22::text[],
                         $23::bigint[], $24::text[], $25::text[])
        AS t (id, account, card, amount, created, expires, status, ended_at, code, product)
    WHERE (account IN (SELECT account FROM taken)) IS TRUE
), changes AS MATERIALIZED (
    SELECT * FROM unnest($26::text[], $27::text[], $28::bigint[], $29::text[], $30::bigint[])
        AS t (id, account, amount, status, ended_at)
    WHERE (account IN (SELECT account FROM taken)) IS TRUE
), changed AS (
    UPDATE holds SET amount = coalesce(new.amount, holds.amount), status = new.status, ended_at = new.ended_at
    FROM changes AS new
    WHERE holds.account = new.account AND holds.id = new.id AND holds.status = 'open' RETURNING 1
), moved_money AS (
    INSERT INTO entries (account, seq, leg, at, posting, kind, card, debit, credit, amount)
    SELECT * FROM unnest($31::text[], $32::bigint[], $33::int[], $34::bigint[], $35::text[], $36::text[], $37::text[],
                         $38::text[], $39::text[], $40::bigint[])
        AS t (account, seq, leg, at, posting, kind, card, debit, credit, amount)
    WHERE (account IN (SELECT account FROM taken)) IS TRUE
), cards AS MATERIALIZED (
    SELECT * FROM unnest($41::bytea[], $42::text[], $43::text[], $44::text[], $45::bytea[])
        WITH ORDINALITY AS t (pan_hash, account, card, last4, sealed_pan, nth)
    WHERE (account IN (SELECT account FROM taken)) IS TRUE
), known AS MATERIALIZED (
    INSERT INTO vault (pan_hash, account, card, last4, sealed_pan)
    SELECT pan_hash, account, card, last4, sealed_pan FROM cards
    ON CONFLICT (pan_hash) DO UPDATE SET sealed_pan = excluded.sealed_pan
    WHERE vault.account = excluded.account AND vault.card = excluded.card RETURNING pan_hash
), strangers AS MATERIALIZED (
    SELECT nth FROM cards WHERE (pan_hash IN (SELECT pan_hash FROM known)) IS NOT TRUE
)
SELECT CASE
    WHEN (SELECT count(*) FROM changed) <> (SELECT count(*) FROM changes)
        THEN ARRAY[ledger_refuse('{HOLD_NOT_OPEN}', 'a decision changes a hold that is not open')]
    WHEN EXISTS (SELECT FROM strangers)
        THEN ARRAY[ledger_refuse('{PAN_TAKEN}', (SELECT 'vault entries ' || string_agg(nth::text, ' ') FROM strangers))]
    ELSE ARRAY(SELECT account FROM taken)
END"""

# The message makes this a transaction that writes: its commit waits for a synchronous standby, and so for what it found.
CONFIRM = """
SELECT j.account, pg_logical_emit_message(true, 'authsvc', '')
FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS t (account, seq, hash)
JOIN journal AS j ON j.account = t.account AND j.seq = t.seq AND j.hash = t.hash"""

Outcomes = dict[int, AuthsvcError | None]
"""By the identity of an append: None when it was taken, or why not."""
Values = tuple[str | bytes | int | None, ...]


class Append(Struct):
    """A row with its decision at hand, and who waits for it."""

    row: Row
    decision: Decision
    durable: asyncio.Future[None]


class RefusedError(Exception):
    """The statement was taken back: these appends bring a PAN that leads to another card."""

    def __init__(self, appends: Sequence[Append]) -> None:
        super().__init__("PAN taken")
        self.appends = appends


class Batch(Struct):
    """What one statement can take: of each account one chain, each append on the one before; each PAN once."""

    chains: dict[AccountId, list[Append]]

    @property
    def appends(self) -> list[Append]:
        return [append for account in sorted(self.chains) for append in self.chains[account]]


def batch_of(appends: Iterable[Append], limit: int = ROWS_A_TRANSACTION) -> tuple[Batch, list[Append]]:
    """The batch that begins `appends`, and what has to wait for the next one.

    An append that does not stand on the newest one of its account waits: what it stands on may have won by then.
    """
    batch, waiting, count, pans = Batch({}), [], 0, set()
    for append in appends:
        chain = batch.chains.get(append.row.account, [])
        fits = not chain or (chain[-1].row.new_hash, chain[-1].row.seq + 1) == (append.row.hash, append.row.seq)
        pan = append.row.vault.pan_hash if append.row.vault is not None else None
        if not fits or count == limit or pan in pans:
            waiting.append(append)
            continue
        batch.chains.setdefault(append.row.account, chain).append(append)
        count += 1
        if pan is not None:
            pans.add(pan)
    return batch, waiting


async def write(statement: asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record], batch: Batch) -> set[AccountId]:
    """Commit, and say which accounts were taken. Raises RefusedError, or what asyncpg raises.

    `statement`: `APPEND`, prepared on the connection to write on.
    """
    try:
        taken = await statement.fetchval(*_arguments(batch))
    except asyncpg.PostgresError as error:
        if error.sqlstate == PAN_TAKEN:
            carriers = [append for append in batch.appends if append.row.vault is not None]
            raise RefusedError([carriers[int(nth) - 1] for nth in re.findall(r"\d+", str(error))]) from None
        raise
    return set(taken)


async def confirm(connection: Connection, batch: Batch, lost: Iterable[AccountId]) -> set[AccountId]:
    """Of the accounts that `batch` lost: those that hold its very decisions, from an earlier try."""
    tops = [batch.chains[account][-1] for account in lost]
    if not tops:
        return set()
    rows = await connection.fetch(
        CONFIRM,
        [top.row.account for top in tops],
        [top.row.seq + 1 for top in tops],
        [top.row.new_hash for top in tops],
    )
    return {row["account"] for row in rows}


def outcomes(batch: Batch, taken: set[AccountId]) -> Outcomes:
    """What became of each append of a batch that was committed."""
    return {
        id(append): None if append.row.account in taken else StaleAccountError(append.row.account)
        for append in batch.appends
    }


def without(batch: Batch, refused: Sequence[Append]) -> Outcomes:
    """Take the appends that were refused for their PAN out of the batch, and what stands on them."""
    found: Outcomes = {}
    for append in refused:
        chain = batch.chains[append.row.account]
        place = next(turn for turn, each in enumerate(chain) if each is append)
        for later in chain[place + 1 :]:
            found[id(later)] = StaleAccountError(later.row.account)
        found[id(append)] = PanTakenError("the PAN leads to another card already")
        del chain[place:]
        if not chain:
            del batch.chains[append.row.account]
    return found


def _arguments(batch: Batch) -> list[list[object]]:
    """The columns of all rows: heads, journal, holds placed, holds changed, entries, vault."""
    appends = batch.appends
    ends = [(batch.chains[account][0], batch.chains[account][-1]) for account in sorted(batch.chains)]
    heads: list[Values] = [
        (last.row.account, first.row.seq, first.row.hash, last.row.seq + 1, last.row.new_hash, last.row.state.decode())
        for first, last in ends
    ]
    holds = hold_rows(append.decision for append in appends)
    placed: list[Values] = [
        (
            hold.id, hold.account, hold.card, hold.amount, hold.created, hold.expires, hold.status, hold.ended_at,
            hold.code, hold.product,
        )
        for hold in holds.placed.values()
    ]  # fmt: skip
    changed: list[Values] = [
        (hold.id, hold.account, hold.amount, hold.status, hold.ended_at) for hold in holds.changed.values()
    ]
    moved: list[Values] = [
        (
            one.account,
            one.seq,
            one.leg,
            one.at,
            one.posting,
            one.kind.value,
            one.card,
            one.debit,
            one.credit,
            one.amount,
        )
        for append in appends
        for one in entries_of(append.decision)
    ]
    cards = [append.row.vault for append in appends if append.row.vault is not None]
    vault: list[Values] = [
        (entry.pan_hash, entry.account, entry.card, entry.last4, entry.sealed_pan) for entry in cards
    ]
    journal = [_journal_row(append) for append in appends]
    tables = ((heads, 6), (journal, 9), (placed, 10), (changed, 5), (moved, 10), (vault, 5))
    return [column for rows, width in tables for column in _columns(rows, width)]


def _columns(rows: Sequence[Values], width: int) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _journal_row(append: Append) -> Values:
    found = columns(append.decision)
    encoded = append.row.encoded.decode()
    return (
        found.account,
        found.seq,
        found.at,
        found.kind,
        found.key,
        found.rrn,
        found.stan,
        encoded,
        append.row.new_hash,
    )


FORGET_HOLDS = """
DELETE FROM holds WHERE (account, id) IN (
    SELECT account, id FROM holds WHERE ended_at IS NOT NULL AND ended_at < $1 ORDER BY ended_at LIMIT $2)"""
KEPT_SINCE = """
INSERT INTO meta (name, value) VALUES ('holds_kept_since', $1)
ON CONFLICT (name) DO UPDATE SET value = greatest(meta.value, excluded.value)"""
