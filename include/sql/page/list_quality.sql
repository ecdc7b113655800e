-- One row per result of a data-quality check, oldest first within a check; the last row is its current result.
-- Params: since TIMESTAMP
SELECT
    check_name,
    checked_at,
    day,
    status,
    value,
    unit,
    warn_below,
    warn_above,
    fail_below,
    fail_above,
    detail,
    run_id
FROM nba_predictions.data_quality_results
WHERE checked_at >= @since
ORDER BY check_name, checked_at, run_id;
