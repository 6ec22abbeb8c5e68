-- Version 7: which product a hold is of, so that what is open can be counted by product from the index alone (monitoring). '' for
-- holds that had ended before.
ALTER TABLE holds ADD COLUMN product text NOT NULL DEFAULT '';
UPDATE holds SET product = coalesce(
    (SELECT head.state::json ->> 'product' FROM head WHERE head.account = holds.account), 'none') WHERE status = 'open';
DROP INDEX holds_open;
CREATE INDEX holds_open ON holds (expires, created, amount, product) WHERE status = 'open';
