-- One row per season with predictions, newest first: the year it begins in (a season is 1 October to 30 September), its first and last
-- date with predictions. Reads one column.
-- Params: first DATE, last DATE
SELECT
    EXTRACT(YEAR FROM DATE_SUB(game_date, INTERVAL 9 MONTH)) AS season,
    MIN(game_date) AS first_date,
    MAX(game_date) AS last_date
FROM nba_predictions.player_prop_predictions
WHERE game_date BETWEEN @first AND @last
GROUP BY season
ORDER BY season DESC;
