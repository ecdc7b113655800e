-- Raises a condition. Of any number that raise it at the same time one changes a row: that one tells people.
-- Params: name STRING, detail STRING
UPDATE nba_predictions.conditions
SET
    raised_at = CURRENT_TIMESTAMP(),
    probed_at = NULL,
    probed_by = NULL,
    detail = @detail
WHERE name = @name AND raised_at IS NULL;
