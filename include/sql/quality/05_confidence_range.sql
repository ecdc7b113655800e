-- title: Confidences outside 0-1 in prediction_accuracy, last 7 days.
-- unit: grades
-- fail_above: 0
-- next_step: "Guarded writes never store such a confidence: find what wrote these rows by their grading_run_id, then grade their dates again."
-- command: make backfill FROM=<first_date> TO=<last_date> REGRADE=1
-- runbook: duplicates-found
-- Params: week_start DATE, day DATE
SELECT
    COUNT(*) AS value,
    STRING_AGG(DISTINCT CONCAT(CAST(game_date AS STRING), ' ', system_id), '; ' LIMIT 10) AS detail,
    MIN(game_date) AS first_date,
    MAX(game_date) AS last_date
FROM nba_predictions.prediction_accuracy
WHERE game_date BETWEEN @week_start AND @day AND NOT confidence_score BETWEEN 0 AND 1;
