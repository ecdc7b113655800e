-- Clears conditions. Of any number that clear one at the same time one changes a row.
-- Params: names ARRAY<STRING>, recovery STRING
UPDATE nba_predictions.incidents
SET
    raised_at = NULL,
    resolved_at = CURRENT_TIMESTAMP(),
    recovery = @recovery,
    changed_at = CURRENT_TIMESTAMP()
WHERE name IN UNNEST(@names) AND raised_at IS NOT NULL;
