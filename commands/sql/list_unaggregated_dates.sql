-- One row per game date whose grades system_daily_performance does not show as they are now.
-- Params: none
WITH
graded_dates AS (
    SELECT
        game_date,
        UNIX_MICROS(MAX(graded_at)) AS grades_version
    FROM nba_predictions.prediction_accuracy
    WHERE game_date >= DATE '1970-01-01'
    GROUP BY game_date
),

aggregated_dates AS (
    SELECT
        game_date,
        MAX(grades_version) AS grades_version
    FROM nba_predictions.system_daily_performance
    WHERE game_date >= DATE '1970-01-01'
    GROUP BY game_date
)

SELECT graded_dates.game_date
FROM graded_dates
LEFT JOIN aggregated_dates USING (game_date)
WHERE aggregated_dates.grades_version IS DISTINCT FROM graded_dates.grades_version
ORDER BY graded_dates.game_date;
