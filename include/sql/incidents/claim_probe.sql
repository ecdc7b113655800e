-- Lets one run through an open circuit breaker: the one that changes a row. The same run passes again, when a task of it is tried again.
-- Params: name STRING, run STRING, latest TIMESTAMP: the last opening or probe must not be later
UPDATE nba_predictions.incidents
SET
    probed_at = CURRENT_TIMESTAMP(),
    probed_by = @run
WHERE
    name = @name
    AND raised_at IS NOT NULL
    AND (probed_by = @run OR COALESCE(probed_at, raised_at) <= @latest);
