-- One row per day (New York, of the start) and operation that ran: runs, failed runs, and the duration of the guarded write without
-- the wait for its lease: median and 95th percentile, interpolated, over the runs that wrote (timed_runs).
-- Params: day DATE, days INT64
WITH
runs AS (
    SELECT
        DATE(started_at, 'America/New_York') AS day,
        operation,
        outcome,
        duration_ms
    FROM nba_predictions.grading_runs
    WHERE
        DATE(started_at, 'America/New_York') > DATE_SUB(@day, INTERVAL @days DAY)
        AND DATE(started_at, 'America/New_York') <= @day
        -- The same in the table's partitions, which are days in UTC.
        AND started_at >= TIMESTAMP(DATE_SUB(@day, INTERVAL @days DAY))
        AND started_at < TIMESTAMP(DATE_ADD(@day, INTERVAL 2 DAY))
),

percentiles AS (
    SELECT
        day,
        operation,
        outcome,
        duration_ms,
        PERCENTILE_CONT(duration_ms, 0.5) OVER (PARTITION BY day, operation) AS median_ms,
        PERCENTILE_CONT(duration_ms, 0.95) OVER (PARTITION BY day, operation) AS p95_ms
    FROM runs
)

SELECT
    day,
    operation,
    COUNT(*) AS runs,
    COUNTIF(outcome = 'failed') AS failed,
    COUNT(duration_ms) AS timed_runs,
    ANY_VALUE(median_ms) AS median_ms,
    ANY_VALUE(p95_ms) AS p95_ms
FROM percentiles
GROUP BY day, operation
ORDER BY day, operation;
