-- One row for a date of prediction_accuracy: its rows, distinct keys, runs, newest token, and the token of its fence.
-- Params: game_date DATE
SELECT
    (SELECT COUNT(*) FROM nba_predictions.prediction_accuracy WHERE game_date = @game_date) AS stored_rows,
    (
        SELECT COUNT(DISTINCT TO_JSON_STRING(STRUCT(player_lookup, game_id, system_id, line_value)))
        FROM nba_predictions.prediction_accuracy
        WHERE game_date = @game_date
    ) AS stored_keys,
    (SELECT COUNT(DISTINCT grading_run_id) FROM nba_predictions.prediction_accuracy WHERE game_date = @game_date) AS runs,
    (SELECT MAX(fencing_token) FROM nba_predictions.prediction_accuracy WHERE game_date = @game_date) AS token,
    (
        SELECT MAX(fencing_token) FROM nba_predictions.write_fences_prediction_accuracy
        WHERE game_date = @game_date
    ) AS fence;
