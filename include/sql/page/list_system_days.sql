-- One row per system and date of the range, for the curves.
-- Params: first DATE, last DATE
SELECT
    system_id,
    game_date,
    graded,
    correct,
    incorrect,
    mae
FROM nba_predictions.system_daily_performance
WHERE game_date BETWEEN @first AND @last
ORDER BY system_id, game_date;
