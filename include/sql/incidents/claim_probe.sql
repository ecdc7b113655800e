-- Lets one run pass an open circuit breaker: the one whose UPDATE changes a row. The same run passes again when its task is retried.
-- Params: name STRING, run STRING, pause_seconds INT64: the breaker was opened, or last probed, at least so long ago
UPDATE nba_predictions.incidents
SET
    probed_at = CURRENT_TIMESTAMP(),
    probed_by = @run
WHERE
    name = @name
    AND opened_at IS NOT NULL
    AND resolved_at IS NULL
    AND (probed_by = @run OR COALESCE(probed_at, opened_at) <= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL @pause_seconds SECOND));
