-- Marks errors that have been open for too long and are not escalated yet.
-- Params: open_seconds INT64: open for longer is too long
UPDATE nba_predictions.incidents
SET
    escalated_at = CURRENT_TIMESTAMP(),
    changed_at = CURRENT_TIMESTAMP()
WHERE
    opened_at <= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL @open_seconds SECOND)
    AND resolved_at IS NULL
    AND severity IN ('ERROR', 'CRITICAL')
    AND escalated_at IS NULL;
