-- One row per row of grading_runs: the Airflow run that left it, and its date.
-- Params: none
SELECT
    dag_id,
    run_id,
    game_date
FROM nba_predictions.grading_runs
WHERE started_at >= TIMESTAMP '1970-01-01' AND operation = 'grading';
