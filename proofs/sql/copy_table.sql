-- Creates a table with all rows of another.
-- Identifiers: copy, table
CREATE TABLE {copy} AS SELECT * FROM {table};
