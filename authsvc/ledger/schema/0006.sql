-- Version 6: two indexes of holds go. What is due is found by `holds_open`, which begins with `expires`; a hold by its code among
-- the holds of its account. Each index costs a page of every hold.
DROP INDEX holds_due;
DROP INDEX holds_code;
