-- Version 10: the document of an account apart from its head, and no longer for each decision: `seq` says as of which it is, and
-- the journal has the decisions after it. A head row is small, and moves with every decision.
CREATE TABLE states (
    account TEXT PRIMARY KEY,
    seq     INTEGER NOT NULL,
    state   TEXT NOT NULL
) STRICT;
INSERT INTO states SELECT account, seq, state FROM head;
ALTER TABLE head DROP COLUMN state;
