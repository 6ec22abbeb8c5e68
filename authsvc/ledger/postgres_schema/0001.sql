-- The ledger on PostgreSQL, version 1. Money in grosze; times in milliseconds UTC; hashes are 32 bytes of SHA-256.
--
-- "/* by COLUMN */" behind a table: with partitions it becomes PARTITION BY HASH (COLUMN). So every unique index begins
-- with that column, and nothing ever joins rows of two accounts. "toast_tuple_target": documents of up to 8 kB stay in
-- their row as they are; to compress each of them would be most of the server's work.

-- Append-only. `hash` = sha256(hash of the account's row before || decision), 32 zero bytes before the first.
-- `key` 0, `rrn` '' and `stan` '' mean "none" and stay out of the indexes. `decision` is text and not jsonb: the hash is
-- over its very bytes. `position` = ledger_schema.position_base + transaction number * 1024 + place in the transaction.
CREATE TABLE journal (
    account  text   COLLATE "C" NOT NULL,
    seq      bigint NOT NULL,
    position bigint NOT NULL,
    at       bigint NOT NULL,
    kind     text   NOT NULL,
    key      bigint NOT NULL,
    rrn      text   NOT NULL,
    stan     text   NOT NULL,
    decision text   NOT NULL,
    hash     bytea  NOT NULL,
    PRIMARY KEY (account, seq)
) /* by account */ WITH (toast_tuple_target = 8160);
CREATE INDEX journal_position ON journal (position);
CREATE INDEX journal_key  ON journal (key)  WHERE key <> 0;
CREATE INDEX journal_rrn  ON journal (rrn)  WHERE rrn <> '';
CREATE INDEX journal_stan ON journal (stan) WHERE stan <> '';

-- The state of an account as of its last decision; moved by compare-and-set on (seq, hash).
CREATE TABLE head (
    account text   COLLATE "C" PRIMARY KEY,
    seq     bigint NOT NULL,
    hash    bytea  NOT NULL,
    state   text   NOT NULL
) /* by account */ WITH (toast_tuple_target = 8160);

-- A hold ends once; `ended_at` is NULL exactly as long as it is open. Ids are unique by the way they are made; by
-- constraint only within their account.
CREATE TABLE holds (
    id       text   NOT NULL,
    account  text   COLLATE "C" NOT NULL,
    card     text   NOT NULL,
    amount   bigint NOT NULL,
    created  bigint NOT NULL,
    expires  bigint NOT NULL,
    status   text   NOT NULL CHECK (status IN ('open', 'reversed', 'expired', 'posted', 'released')),
    ended_at bigint,
    PRIMARY KEY (account, id),
    CHECK ((status = 'open') = (ended_at IS NULL))
) /* by account */;
CREATE INDEX holds_id ON holds (id);

-- Where a PAN leads, by its keyed hash; the PAN itself only sealed. By PAN and not by account: that a PAN leads to one
-- card of all accounts is a unique index, which only the partition key can carry. Nothing else here knows a PAN.
CREATE TABLE vault (
    pan_hash   bytea PRIMARY KEY,
    account    text  COLLATE "C" NOT NULL,
    card       text  NOT NULL,
    last4      text  NOT NULL,
    sealed_pan bytea NOT NULL
) /* by pan_hash */;
CREATE INDEX vault_card ON vault (card);

-- How the statement that appends takes all of it back: an error of ours, told from all others by its code.
CREATE FUNCTION ledger_refuse(code text, message text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', message USING ERRCODE = code;
END
$$;
