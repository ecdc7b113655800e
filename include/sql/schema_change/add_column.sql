-- Adds a column that a table got after its first version. The definition is that of the table's file in include/sql/schema.
-- Identifiers: target, definition
ALTER TABLE {target}
ADD COLUMN IF NOT EXISTS {definition};
