-- One row: how many rows a table with game dates has.
-- Identifier: target
SELECT COUNT(*) AS stored_rows
FROM {target}
WHERE game_date >= DATE '1970-01-01';
