-- Marks errors that last too long and were not escalated yet.
-- Params: latest TIMESTAMP: raised before it is too long
UPDATE nba_predictions.incidents
SET
    escalated_at = CURRENT_TIMESTAMP(),
    changed_at = CURRENT_TIMESTAMP()
WHERE
    raised_at <= @latest
    AND severity IN ('ERROR', 'CRITICAL')
    AND escalated_at IS NULL;
