-- One row per day (New York, of the start) and operation with a run that reached its lease: those runs, how long they waited for it
-- (median and 95th percentile, interpolated, over the recorded waits), and how many wrote without one.
-- Params: day DATE, days INT64
WITH
runs AS (
    SELECT
        DATE(started_at, 'America/New_York') AS day,
        operation,
        leased,
        lease_wait_ms
    FROM nba_predictions.grading_runs
    WHERE
        DATE(started_at, 'America/New_York') > DATE_SUB(@day, INTERVAL @days DAY)
        AND DATE(started_at, 'America/New_York') <= @day
        -- The same in the table's partitions, which are days in UTC.
        AND started_at >= TIMESTAMP(DATE_SUB(@day, INTERVAL @days DAY))
        AND started_at < TIMESTAMP(DATE_ADD(@day, INTERVAL 2 DAY))
        AND leased IS NOT NULL
),

percentiles AS (
    SELECT
        day,
        operation,
        leased,
        PERCENTILE_CONT(lease_wait_ms, 0.5) OVER (PARTITION BY day, operation) AS median_wait_ms,
        PERCENTILE_CONT(lease_wait_ms, 0.95) OVER (PARTITION BY day, operation) AS p95_wait_ms
    FROM runs
)

SELECT
    day,
    operation,
    COUNT(*) AS runs,
    ANY_VALUE(median_wait_ms) AS median_wait_ms,
    ANY_VALUE(p95_wait_ms) AS p95_wait_ms,
    COUNTIF(NOT leased) AS unleased,
    COUNTIF(NOT leased) / COUNT(*) AS unleased_share
FROM percentiles
GROUP BY day, operation
ORDER BY day, operation;
