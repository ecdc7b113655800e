-- Removes all rows of a table.
-- Identifier: table
DELETE FROM {table} WHERE TRUE;
