-- Inserts an incident's row, not yet open, if it has none. Two concurrent seeds leave two rows; open_incident opens only one incident of them.
-- Params: name STRING
INSERT INTO nba_predictions.incidents (name)
SELECT @name AS name
FROM (SELECT 1) AS one_row
WHERE NOT EXISTS (SELECT 1 FROM nba_predictions.incidents WHERE name = @name);
