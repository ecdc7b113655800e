-- Makes sure the condition has a row to update. Two racing seeds leave two rows: harmless, an update changes both.
-- Params: name STRING
INSERT INTO nba_predictions.incidents (name)
SELECT @name AS name
FROM (SELECT 1) AS one_row
WHERE NOT EXISTS (SELECT 1 FROM nba_predictions.incidents WHERE name = @name);
