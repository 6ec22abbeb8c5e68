-- Version 5: what no message asked for, by time: commands, and claims of a file. The audit trail is read from it.
CREATE INDEX journal_orders ON journal (at, position) WHERE stan = '';
