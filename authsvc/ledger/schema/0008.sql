-- Version 8: the decision on a message is found by its STAN and account, as the original that a reversal names. Keys are hashes and
-- lie all over their tree, a page for each; senders count their STANs up, so those of one time lie together. Only what has no STAN
-- (commands, claims of a file) is still found by its key.
DROP INDEX journal_key;
DROP INDEX journal_stan;
CREATE INDEX journal_key  ON journal (key) WHERE key <> 0 AND stan = '';
CREATE INDEX journal_stan ON journal (stan, account) WHERE stan <> '';
