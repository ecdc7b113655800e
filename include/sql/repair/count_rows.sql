-- One row: how many rows a table has.
-- Identifier: target
SELECT COUNT(*) AS stored_rows FROM {target};
