-- Appends all rows of a copy to its table.
-- Identifiers: copy, table
INSERT INTO {table} SELECT * FROM {copy};
