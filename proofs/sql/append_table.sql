-- All rows of a copy, appended to the table they are of.
-- Identifiers: copy, table
INSERT INTO {table} SELECT * FROM {copy};
