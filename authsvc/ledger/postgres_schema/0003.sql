-- Version 3: ended holds may be forgotten after a time; the journal keeps what they were.

-- `holds_kept_since`: holds that ended before this moment may be gone from `holds`. One row for all accounts.
CREATE TABLE meta (
    name  text   PRIMARY KEY,
    value bigint NOT NULL
) /* by name */;
CREATE INDEX holds_ended ON holds (ended_at) WHERE ended_at IS NOT NULL;
