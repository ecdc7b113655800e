-- One row per row of grading_runs: the Airflow run that left it.
-- Params: none
SELECT run_id
FROM nba_predictions.grading_runs
WHERE started_at >= TIMESTAMP '1970-01-01';
