-- Drops a table, if it exists.
-- Identifiers: table
DROP TABLE IF EXISTS {table};
