-- Makes sure the date has a fence row for the publish to update. Two racing seeds leave two rows: harmless, the guard takes the maximum.
-- A fence that was lost starts again at the newest token the date holds, so that a write without a lease is still newer than it.
-- Params: table_name STRING, game_date DATE. Identifiers: target, date_column, stored_token: the
-- newest token of its rows, 0 for a table whose rows have none
INSERT INTO nba_predictions.write_fences (table_name, game_date, fencing_token)
SELECT
    @table_name AS table_name,
    @game_date AS game_date,
    COALESCE((SELECT {stored_token} FROM {target} WHERE {date_column} = @game_date), 0) AS fencing_token
FROM (SELECT 1) AS one_row
WHERE NOT EXISTS (
    SELECT 1 FROM nba_predictions.write_fences
    WHERE table_name = @table_name AND game_date = @game_date
);
