-- Clears a condition. Of any number that clear it at the same time one changes a row: that one tells people.
-- Params: name STRING
UPDATE nba_predictions.conditions
SET
    raised_at = NULL,
    cleared_at = CURRENT_TIMESTAMP()
WHERE name = @name AND raised_at IS NOT NULL;
