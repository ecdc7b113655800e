-- One row per date that an Airflow run has recorded: its newest row.
-- Params: dag_id STRING, run_id STRING, since TIMESTAMP: when the run began, or before
SELECT
    game_date,
    gradable,
    graded,
    voided,
    pending,
    written,
    replaced,
    duplicates,
    outcome,
    detail
FROM nba_predictions.grading_runs
WHERE
    started_at >= @since
    AND dag_id = @dag_id
    AND run_id = @run_id
    AND game_date IS NOT NULL
QUALIFY ROW_NUMBER() OVER (PARTITION BY game_date ORDER BY finished_at DESC, grading_run_id ASC) = 1
ORDER BY game_date;
