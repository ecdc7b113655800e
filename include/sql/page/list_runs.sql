-- The newest writes of all operations, newest first: the dates of one write that ended alike are one row.
-- Params: since TIMESTAMP, most INT64
WITH writes AS (
    SELECT
        grading_run_id,
        operation,
        outcome,
        MIN(game_date) AS first_date,
        MAX(game_date) AS last_date,
        COUNT(*) AS dates,
        MAX(dag_id) AS dag_id,
        MAX(run_id) AS run_id,
        LOGICAL_AND(leased) AS leased,
        MAX(lease_wait_ms) AS lease_wait_ms,
        SUM(written) AS written,
        SUM(pending) AS pending,
        SUM(duplicates) AS duplicates,
        MAX(duration_ms) AS duration_ms,
        MIN(started_at) AS first_started_at,
        MAX(detail) AS detail
    FROM nba_predictions.grading_runs
    WHERE started_at >= @since
    GROUP BY grading_run_id, operation, outcome
)

SELECT
    * EXCEPT (grading_run_id, first_started_at),
    first_started_at AS started_at
FROM writes
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (ORDER BY first_started_at DESC, grading_run_id ASC, outcome ASC) <= @most
ORDER BY first_started_at DESC, grading_run_id ASC, outcome ASC;
