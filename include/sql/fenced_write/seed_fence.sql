-- Makes sure the date has a fence row for the publish to update. Two racing seeds leave two rows: harmless, the guard takes the maximum.
-- Params: table_name STRING, game_date DATE
INSERT INTO nba_predictions.write_fences (table_name, game_date, fencing_token)
SELECT
    @table_name AS table_name,
    @game_date AS game_date,
    0 AS fencing_token
FROM (SELECT 1) AS one_row
WHERE NOT EXISTS (
    SELECT 1 FROM nba_predictions.write_fences
    WHERE table_name = @table_name AND game_date = @game_date
);
