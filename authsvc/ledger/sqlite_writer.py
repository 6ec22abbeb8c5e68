"""One batch of rows, one transaction.

Each statement takes one row and is run for all of them: a statement of many rows keeps a copy of every page it touches, for the
case that it has to be taken back half done. Here what fails fails as a whole transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from authsvc.errors import AuthsvcError, StaleAccountError
from authsvc.ledger.entries import entries_of
from authsvc.ledger.extract import Extract, extract
from authsvc.ledger.holds import hold_rows
from authsvc.ledger.journal import CommitUnknownError, PanTakenError, Row
from authsvc.model import AccountId, UnixMs

Values = tuple[str | bytes | int | None, ...]

INSERT_HEAD = "INSERT INTO head (account, seq, hash) VALUES (?, ?, ?) ON CONFLICT (account) DO NOTHING"
MOVE_HEAD = "UPDATE head SET seq = ?, hash = ? WHERE account = ? AND seq = ? AND hash = ?"
KEEP_STATE = """
INSERT INTO states (account, seq, state) VALUES (?, ?, CAST(? AS TEXT))
ON CONFLICT (account) DO UPDATE SET seq = excluded.seq, state = excluded.state"""
INSERT_JOURNAL = """
INSERT INTO journal (account, seq, at, kind, key, rrn, stan, decision, hash) VALUES (?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), ?)"""
INSERT_HOLD = """
INSERT INTO holds (id, account, card, amount, created, expires, status, ended_at, code, product)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
CHANGE_HOLD = """
UPDATE holds SET amount = coalesce(?, amount), status = ?, ended_at = ? WHERE account = ? AND id = ? AND status = 'open'"""
INSERT_ENTRY = """
INSERT INTO entries (account, seq, leg, at, posting, kind, card, debit, credit, amount) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
INSERT_VAULT = """
INSERT INTO vault (pan_hash, account, card, last4, sealed_pan) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (pan_hash) DO UPDATE SET sealed_pan = excluded.sealed_pan
WHERE vault.account = excluded.account AND vault.card = excluded.card"""


def write(connection: apsw.Connection, rows: Sequence[Row]) -> list[AuthsvcError | None]:
    """Make `rows` durable in one transaction, and say for each: None, or why it was left out.

    Raises CommitUnknownError when nobody knows what is on the disk, and whatever else went wrong before the commit.
    """
    found = [(row, extract(row.encoded)) for row in rows]
    connection.execute("BEGIN IMMEDIATE")
    try:
        _apply(connection, found)
        outcomes: list[AuthsvcError | None] = [None] * len(rows)
    except (StaleAccountError, PanTakenError):
        connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        outcomes = [_apply_alone(connection, one) for one in found]
    try:
        connection.execute("COMMIT")
    except apsw.Error as error:
        raise CommitUnknownError(f"the commit failed: {error}") from error
    return outcomes


FORGET_HOLDS = """
DELETE FROM holds WHERE (account, id) IN (
    SELECT account, id FROM holds WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY ended_at LIMIT ?)"""
KEPT_SINCE = """
INSERT INTO meta (name, value) VALUES ('holds_kept_since', ?)
ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)"""


def forget_holds(connection: apsw.Connection, before: UnixMs, limit: int) -> int:
    """In one transaction: ended holds go, and that they may be gone is remembered."""
    with connection:
        connection.execute(KEPT_SINCE, (before,))
        connection.execute(FORGET_HOLDS, (before, limit))
    return connection.changes()


Found = tuple[Row, Extract]
"""A row, and what has been read of its decision."""


def _apply_alone(connection: apsw.Connection, one: Found) -> AuthsvcError | None:
    """One of a batch that has a loser in it: it wins or loses without the others."""
    connection.execute("SAVEPOINT alone")
    try:
        _apply(connection, (one,))
    except (StaleAccountError, PanTakenError) as error:
        connection.execute("ROLLBACK TO alone")
        return error
    finally:
        connection.execute("RELEASE alone")
    return None


def _apply(connection: apsw.Connection, found: Sequence[Found]) -> None:
    """All rows of all tables. Raises StaleAccountError or PanTakenError when one of them loses, whichever it is."""
    extracts = [extracted for _, extracted in found]
    _move_heads(connection, [row for row, _ in found])
    connection.executemany(INSERT_JOURNAL, [_journal_row(row, extracted) for row, extracted in found])
    _keep_holds(connection, extracts)
    connection.executemany(INSERT_ENTRY, [entry for extracted in extracts for entry in _entry_rows(extracted)])
    _know_cards(connection, [row for row, _ in found])


def _move_heads(connection: apsw.Connection, rows: Sequence[Row]) -> None:
    """Compare-and-set. Several decisions of one account, each on top of the one before, move its head once."""
    chains: dict[AccountId, tuple[Row, Row]] = {}
    states: dict[AccountId, Values] = {}
    for row in rows:
        first, last = chains.get(row.account, (row, None))
        if last is not None and (last.new_hash, last.seq + 1) != (row.hash, row.seq):
            raise StaleAccountError(row.account)
        chains[row.account] = (first, row)
        if row.state:
            states[row.account] = (row.account, row.seq + 1, row.state)
    new: list[Values] = []
    moved: list[Values] = []
    for account, (first, last) in chains.items():
        head: Values = (last.seq + 1, last.new_hash)
        if first.seq == 0:
            new.append((account, *head))
        else:
            moved.append((*head, account, first.seq, first.hash))
    if _run(connection, INSERT_HEAD, new) + _run(connection, MOVE_HEAD, moved) != len(chains):
        raise StaleAccountError(rows[0].account)
    connection.executemany(KEEP_STATE, states.values())


def _journal_row(row: Row, extracted: Extract) -> Values:
    found = extracted.columns
    return (found.account, found.seq, found.at, found.kind, found.key, found.rrn, found.stan, row.encoded, row.new_hash)


def _keep_holds(connection: apsw.Connection, extracts: Sequence[Extract]) -> None:
    holds = hold_rows(extracts)
    placed: list[Values] = [
        (
            hold.id, hold.account, hold.card, hold.amount, hold.created, hold.expires, hold.status, hold.ended_at,
            hold.code, hold.product,
        )
        for hold in holds.placed.values()
    ]  # fmt: skip
    changed: list[Values] = [
        (hold.amount, hold.status, hold.ended_at, hold.account, hold.id) for hold in holds.changed.values()
    ]
    connection.executemany(INSERT_HOLD, placed)
    touched = _run(connection, CHANGE_HOLD, changed)
    # The head was right and yet a hold is not open: the table is damaged, and no retry would mend it.
    assert touched == len(changed), "a decision changes a hold that is not open"


def _entry_rows(extracted: Extract) -> list[Values]:
    return [
        (
            one.account, one.seq, one.leg, one.at, one.posting, one.kind.value, one.card, one.debit, one.credit,
            one.amount,
        )
        for one in entries_of(extracted)
    ]  # fmt: skip


def _know_cards(connection: apsw.Connection, rows: Sequence[Row]) -> None:
    cards = [row.vault for row in rows if row.vault is not None]
    known: list[Values] = [
        (entry.pan_hash, entry.account, entry.card, entry.last4, entry.sealed_pan) for entry in cards
    ]
    if _run(connection, INSERT_VAULT, known) != len(known):
        raise PanTakenError("the PAN leads to another card already")


def _run(connection: apsw.Connection, statement: str, rows: Sequence[Values]) -> int:
    """Run `statement` for each of `rows`, and say how many rows of the table that touched."""
    before = connection.total_changes()
    connection.executemany(statement, rows)
    return connection.total_changes() - before
