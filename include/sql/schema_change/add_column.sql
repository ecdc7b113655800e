-- Adds a column that a table of an older version lacks. The definition is that of the table's file in include/sql/schema.
-- Identifiers: target, definition
ALTER TABLE {target}
ADD COLUMN IF NOT EXISTS {definition};
