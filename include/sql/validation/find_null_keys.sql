-- One row when a date of prediction_accuracy holds rows whose key has no player, game or system. A NULL line is valid.
-- Params: game_date DATE
SELECT
    COUNT(*) AS null_key_rows,
    ANY_VALUE(grading_run_id) AS grading_run_id
FROM nba_predictions.prediction_accuracy
WHERE
    game_date = @game_date
    AND (player_lookup IS NULL OR game_id IS NULL OR system_id IS NULL)
HAVING COUNT(*) > 0;
