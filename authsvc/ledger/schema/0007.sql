-- Version 7: a hold is found by its account and its id, so one index does for the two there were, by id and by account. Rows stay
-- in the order in which they came, and share pages; what begins with an account lies all over its tree, a page for each hold.
CREATE TABLE holds_by_account (
    account  TEXT NOT NULL,
    id       TEXT NOT NULL,
    card     TEXT NOT NULL,
    amount   INTEGER NOT NULL,
    created  INTEGER NOT NULL,
    expires  INTEGER NOT NULL,
    -- Not "IN (...)": SQLite would make a table of the five words for each row it checks.
    status   TEXT NOT NULL CHECK (
        status = 'open' OR status = 'reversed' OR status = 'expired' OR status = 'posted' OR status = 'released'
    ),
    ended_at INTEGER,
    code     TEXT NOT NULL,
    PRIMARY KEY (account, id),
    CHECK ((status = 'open') = (ended_at IS NULL))
) STRICT;
INSERT INTO holds_by_account (account, id, card, amount, created, expires, status, ended_at, code)
    SELECT account, id, card, amount, created, expires, status, ended_at, code FROM holds ORDER BY rowid;
DROP TABLE holds;
ALTER TABLE holds_by_account RENAME TO holds;
CREATE INDEX holds_open  ON holds (expires, created, amount) WHERE status = 'open';
CREATE INDEX holds_ended ON holds (ended_at) WHERE ended_at IS NOT NULL;
