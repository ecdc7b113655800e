-- The newest runs of all operations, newest first.
-- Params: since TIMESTAMP, most INT64
SELECT
    operation,
    game_date,
    dag_id,
    run_id,
    run_type,
    outcome,
    leased,
    lease_wait_ms,
    written,
    pending,
    duplicates,
    duration_ms,
    started_at,
    finished_at,
    detail
FROM nba_predictions.grading_runs
WHERE started_at >= @since
QUALIFY ROW_NUMBER() OVER (ORDER BY started_at DESC, grading_run_id ASC) <= @most
ORDER BY started_at DESC, grading_run_id ASC;
