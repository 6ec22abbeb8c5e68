-- Version 2: double entry, and holds that can be found by their authorization code and by when they are due.

-- One row moves `amount` grosze from `credit` to `debit`, so any set of rows sums to zero; a decision's rows are numbered by
-- `leg`. `posting` names what they belong to; `at` never goes back within an account.
CREATE TABLE entries (
    account TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    leg     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    posting TEXT NOT NULL,
    kind    TEXT NOT NULL,
    card    TEXT NOT NULL,
    debit   TEXT NOT NULL,
    credit  TEXT NOT NULL CHECK (debit <> credit),
    amount  INTEGER NOT NULL CHECK (amount > 0),
    PRIMARY KEY (account, seq, leg)
) STRICT, WITHOUT ROWID;
CREATE INDEX entries_posting ON entries (posting);

-- The two sides of each entry, as a bookkeeper reads them: debits above zero, credits below.
CREATE VIEW postings (account, seq, at, posting, kind, ledger_account, amount) AS
    SELECT account, seq, at, posting, kind, debit, amount FROM entries
    UNION ALL
    SELECT account, seq, at, posting, kind, credit, -amount FROM entries;

-- DE38, so that a presentment finds its hold after it has ended. '' for those of version 1.
ALTER TABLE holds ADD COLUMN code TEXT NOT NULL DEFAULT '';
CREATE INDEX holds_code ON holds (code) WHERE code <> '';
CREATE INDEX holds_due  ON holds (expires) WHERE status = 'open';
