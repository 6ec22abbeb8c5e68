"""One batch of appends, one transaction.

A batch is six statements at most, however many rows it has: each takes all rows as one VALUES list.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import apsw

from authsvc.errors import AuthsvcError, StaleAccountError
from authsvc.ledger.append import Appended
from authsvc.ledger.entries import entries_of
from authsvc.ledger.holds import hold_rows
from authsvc.ledger.journal import CommitUnknownError, PanTakenError, columns
from authsvc.model import AccountId, UnixMs

CHUNK = 64
"""Most rows of one statement; there is one prepared statement for each number of rows."""


Value = str | bytes | int | None
Row = tuple[Value, ...]

INSERT_HEADS = "INSERT INTO head (account, seq, hash, state) VALUES {rows} ON CONFLICT (account) DO NOTHING"
MOVE_HEADS = """
WITH new (account, old_seq, old_hash, seq, hash, state) AS (VALUES {rows})
UPDATE head SET seq = new.seq, hash = new.hash, state = new.state FROM new
WHERE head.account = new.account AND head.seq = new.old_seq AND head.hash = new.old_hash"""
INSERT_JOURNAL = "INSERT INTO journal (account, seq, at, kind, key, rrn, stan, decision, hash) VALUES {rows}"
INSERT_HOLDS = """
INSERT INTO holds (id, account, card, amount, created, expires, status, ended_at, code, product)
VALUES {rows}"""
INSERT_ENTRIES = """
INSERT INTO entries (account, seq, leg, at, posting, kind, card, debit, credit, amount) VALUES {rows}"""
CHANGE_HOLDS = """
WITH new (id, account, amount, status, ended_at) AS (VALUES {rows})
UPDATE holds SET amount = coalesce(new.amount, holds.amount), status = new.status, ended_at = new.ended_at FROM new
WHERE holds.id = new.id AND holds.account = new.account AND holds.status = 'open'"""
INSERT_VAULT = """
INSERT INTO vault (pan_hash, account, card, last4, sealed_pan) VALUES {rows}
ON CONFLICT (pan_hash) DO UPDATE SET sealed_pan = excluded.sealed_pan
WHERE vault.account = excluded.account AND vault.card = excluded.card"""


def write(connection: apsw.Connection, appends: Sequence[Appended]) -> list[AuthsvcError | None]:
    """Make `appends` durable in one transaction, and say for each: None, or why it was left out.

    Raises CommitUnknownError when nobody knows what is on the disk, and whatever else went wrong before the commit.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        _apply(connection, appends)
        outcomes: list[AuthsvcError | None] = [None] * len(appends)
    except (StaleAccountError, PanTakenError):
        connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        outcomes = [_apply_alone(connection, append) for append in appends]
    try:
        connection.execute("COMMIT")
    except apsw.Error as error:
        raise CommitUnknownError(f"the commit failed: {error}") from error
    return outcomes


FORGET_HOLDS = """
DELETE FROM holds WHERE id IN (SELECT id FROM holds WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY ended_at LIMIT ?)"""
KEPT_SINCE = """
INSERT INTO meta (name, value) VALUES ('holds_kept_since', ?)
ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)"""


def forget_holds(connection: apsw.Connection, before: UnixMs, limit: int) -> int:
    """In one transaction: ended holds go, and that they may be gone is remembered."""
    with connection:
        connection.execute(KEPT_SINCE, (before,))
        connection.execute(FORGET_HOLDS, (before, limit))
    return connection.changes()


def _apply_alone(connection: apsw.Connection, append: Appended) -> AuthsvcError | None:
    """One of a batch that has a loser in it: it wins or loses without the others."""
    connection.execute("SAVEPOINT alone")
    try:
        _apply(connection, (append,))
    except (StaleAccountError, PanTakenError) as error:
        connection.execute("ROLLBACK TO alone")
        return error
    finally:
        connection.execute("RELEASE alone")
    return None


def _apply(connection: apsw.Connection, appends: Sequence[Appended]) -> None:
    """All rows of all appends. Raises StaleAccountError or PanTakenError when one of them loses, whichever it is."""
    _move_heads(connection, appends)
    _insert(connection, INSERT_JOURNAL, [_journal_row(append) for append in appends])
    holds = hold_rows(append.decision for append in appends)
    placed: list[Row] = [
        (
            hold.id,
            hold.account,
            hold.card,
            hold.amount,
            hold.created,
            hold.expires,
            hold.status,
            hold.ended_at,
            hold.code,
            hold.product,
        )
        for hold in holds.placed.values()
    ]
    changed: list[Row] = [
        (hold.id, hold.account, hold.amount, hold.status, hold.ended_at) for hold in holds.changed.values()
    ]
    _insert(connection, INSERT_HOLDS, placed)
    touched = _insert(connection, CHANGE_HOLDS, changed)
    # The head was right and yet a hold is not open: the table is damaged, and no retry would mend it.
    assert touched == len(changed), "a decision changes a hold that is not open"
    moved: list[Row] = [
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
    _insert(connection, INSERT_ENTRIES, moved)
    cards = [append.vault for append in appends if append.vault is not None]
    known: list[Row] = [(entry.pan_hash, entry.account, entry.card, entry.last4, entry.sealed_pan) for entry in cards]
    if _insert(connection, INSERT_VAULT, known) != len(known):
        raise PanTakenError("the PAN leads to another card already")


def _move_heads(connection: apsw.Connection, appends: Sequence[Appended]) -> None:
    """Compare-and-set. Several appends of one account, each on top of the one before, move its head once."""
    chains: dict[AccountId, tuple[Appended, Appended]] = {}
    for append in appends:
        first, last = chains.get(append.account, (append, None))
        if last is not None and (last.new_hash, last.seq + 1) != (append.hash, append.seq):
            raise StaleAccountError(append.account)
        chains[append.account] = (first, append)
    new: list[Row] = []
    moved: list[Row] = []
    for account, (first, last) in chains.items():
        head: Row = (last.seq + 1, last.new_hash, last.state.decode())
        if first.seq == 0:
            new.append((account, *head))
        else:
            moved.append((account, first.seq, first.hash, *head))
    taken = _insert(connection, INSERT_HEADS, new) + _insert(connection, MOVE_HEADS, moved)
    if taken != len(chains):
        raise StaleAccountError(appends[0].account)


def _journal_row(append: Appended) -> Row:
    found = columns(append.decision)
    encoded = append.encoded.decode()
    return (found.account, found.seq, found.at, found.kind, found.key, found.rrn, found.stan, encoded, append.new_hash)


def _insert(connection: apsw.Connection, template: str, rows: Sequence[Row]) -> int:
    """Run `template` on `rows`, and say how many rows of the table it touched."""
    touched = 0
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        connection.execute(_sql(template, len(chunk), len(chunk[0])), [value for row in chunk for value in row])
        touched += connection.changes()
    return touched


@cache
def _sql(template: str, rows: int, width: int) -> str:
    one = f"({','.join('?' * width)})"
    return template.format(rows=",".join([one] * rows))
