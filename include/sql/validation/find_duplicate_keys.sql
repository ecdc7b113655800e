-- Business keys that a date of prediction_accuracy holds more than once, the first 20; every row carries the totals.
-- Params: game_date DATE
-- severity: fail
SELECT
    player_lookup,
    game_id,
    system_id,
    line_value,
    COUNT(*) AS occurrences,
    MIN(graded_at) AS first_graded_at,
    MAX(graded_at) AS last_graded_at,
    COUNT(*) OVER () AS duplicate_keys,
    SUM(COUNT(*) - 1) OVER () AS surplus_rows
FROM nba_predictions.prediction_accuracy
WHERE game_date = @game_date
GROUP BY player_lookup, game_id, system_id, line_value
HAVING COUNT(*) > 1
ORDER BY occurrences DESC, player_lookup ASC, game_id ASC, system_id ASC, line_value ASC
LIMIT 20;
