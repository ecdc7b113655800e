-- Every column of a table, for a dry run, which returns the names of the columns.
-- Identifiers: target
SELECT *
FROM {target};
