-- The ledger, version 1. Money in grosze; times in milliseconds UTC; hashes are 32 bytes of SHA-256.

-- Append-only. `hash` = sha256(hash of the account's row before || decision), 32 zero bytes before the first.
-- `key` 0, `rrn` '' and `stan` '' mean "none" and stay out of the indexes.
CREATE TABLE journal (
    position INTEGER PRIMARY KEY,
    account  TEXT NOT NULL,
    seq      INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    key      INTEGER NOT NULL,
    rrn      TEXT NOT NULL,
    stan     TEXT NOT NULL,
    decision TEXT NOT NULL,
    hash     BLOB NOT NULL,
    UNIQUE (account, seq)
) STRICT;
CREATE INDEX journal_key  ON journal (key)  WHERE key <> 0;
CREATE INDEX journal_rrn  ON journal (rrn)  WHERE rrn <> '';
CREATE INDEX journal_stan ON journal (stan) WHERE stan <> '';

-- The state of an account as of its last decision; moved by compare-and-set on (seq, hash).
-- Not WITHOUT ROWID: rows above 1 kB would spill into overflow pages of the index tree.
CREATE TABLE head (
    account TEXT PRIMARY KEY,
    seq     INTEGER NOT NULL,
    hash    BLOB NOT NULL,
    state   TEXT NOT NULL
) STRICT;

-- A hold ends once; `ended_at` is NULL exactly as long as it is open.
CREATE TABLE holds (
    id       TEXT PRIMARY KEY,
    account  TEXT NOT NULL,
    card     TEXT NOT NULL,
    amount   INTEGER NOT NULL,
    created  INTEGER NOT NULL,
    expires  INTEGER NOT NULL,
    status   TEXT NOT NULL CHECK (status IN ('open', 'reversed', 'expired', 'posted', 'released')),
    ended_at INTEGER,
    CHECK ((status = 'open') = (ended_at IS NULL))
) STRICT;
CREATE INDEX holds_account ON holds (account);

-- Where a PAN leads, by its keyed hash; the PAN itself only sealed. Nothing else in this file knows a PAN.
CREATE TABLE vault (
    pan_hash   BLOB PRIMARY KEY,
    account    TEXT NOT NULL,
    card       TEXT NOT NULL UNIQUE,
    last4      TEXT NOT NULL,
    sealed_pan BLOB NOT NULL
) STRICT;
