-- The rows that a date of player_prop_predictions holds, as candidates of a merge: their staging_table is NULL.
-- Params: game_date DATE. Identifiers: columns
SELECT
    {columns},
    CAST(NULL AS STRING) AS staging_table
FROM nba_predictions.player_prop_predictions
WHERE game_date = @game_date;
