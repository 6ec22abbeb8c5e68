-- Version 4: how many holds are open, how much they hold and since when, read from an index alone (monitoring).
CREATE INDEX holds_open ON holds (expires, created, amount) WHERE status = 'open';
