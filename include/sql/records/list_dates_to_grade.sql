-- One row per date of a range that has predictions, or grades: how many predictions, and whether its newest run has graded all of it: a
-- date whose newest run left predictions pending is graded again.
-- A date cannot be graded before it is played, which bounds the runs to read.
-- Params: first_date DATE, last_date DATE
WITH predicted AS (
    SELECT
        game_date,
        COUNT(*) AS predictions
    FROM nba_predictions.player_prop_predictions
    WHERE game_date BETWEEN @first_date AND @last_date
    GROUP BY game_date
),

stored AS (
    SELECT DISTINCT game_date
    FROM nba_predictions.write_fences_prediction_accuracy
    WHERE game_date BETWEEN @first_date AND @last_date AND published_rows > 0
),

newest AS (
    SELECT
        game_date,
        outcome = 'graded' AND COALESCE(pending, 0) = 0 AS is_graded
    FROM nba_predictions.grading_runs
    WHERE
        started_at >= TIMESTAMP(@first_date)
        AND operation = 'grading'
        AND game_date BETWEEN @first_date AND @last_date
    QUALIFY ROW_NUMBER() OVER (PARTITION BY game_date ORDER BY finished_at DESC, grading_run_id ASC) = 1
)

SELECT
    game_date,
    COALESCE(predicted.predictions, 0) AS predictions,
    COALESCE(newest.is_graded, FALSE) AS is_graded
FROM predicted
FULL JOIN stored USING (game_date)
LEFT JOIN newest USING (game_date)
ORDER BY game_date;
