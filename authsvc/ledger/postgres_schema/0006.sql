-- Version 6: a hold is found by its account and its id, which is the primary key.
DROP INDEX holds_id;
