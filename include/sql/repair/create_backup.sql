-- A snapshot of a table before a repair.
-- Identifiers: backup, target
CREATE SNAPSHOT TABLE {backup} CLONE {target};
