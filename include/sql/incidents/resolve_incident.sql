-- Resolves an open incident. Of concurrent callers one changes a row.
-- Params: name STRING, resolution STRING
UPDATE nba_predictions.incidents
SET
    resolved_at = CURRENT_TIMESTAMP(),
    resolution = @resolution,
    changed_at = CURRENT_TIMESTAMP()
WHERE name = @name AND opened_at IS NOT NULL AND resolved_at IS NULL;
