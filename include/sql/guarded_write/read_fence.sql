-- One row: the newest token published on a date of a table, 0 before the first.
-- Params: table_name STRING, game_date DATE
SELECT COALESCE(MAX(fencing_token), 0) AS fencing_token
FROM nba_predictions.write_fences
WHERE table_name = @table_name AND game_date = @game_date;
