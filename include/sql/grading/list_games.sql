-- One row per game of a date that has a box score: what its rows add up to, and whether it is complete.
-- Params: game_date DATE, complete_minutes INT64
SELECT
    game_id,
    box_score_rows,
    teams,
    least_minutes,
    is_unknown,
    is_accepted,
    complete_minutes >= @complete_minutes AS is_complete
FROM nba_predictions.game_completeness
WHERE game_date = @game_date
ORDER BY game_id;
