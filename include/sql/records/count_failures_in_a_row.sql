-- One row: how many runs of an operation have failed since its last success, in the last 7 days. Runs that were refused, or had
-- nothing to do, say nothing about the operation and do not count. A run with several failed dates is one.
-- Params: operation STRING
WITH recent AS (
    SELECT
        grading_run_id,
        outcome,
        finished_at,
        MAX(IF(outcome IN ('graded', 'consolidated', 'aggregated', 'repaired'), finished_at, NULL)) OVER () AS last_success_at
    FROM nba_predictions.grading_runs
    WHERE
        operation = @operation
        AND started_at >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 7 DAY)
)

SELECT COUNT(DISTINCT grading_run_id) AS failures
FROM recent
WHERE outcome = 'failed' AND (last_success_at IS NULL OR finished_at > last_success_at);
