-- Marks what was found on some dates as resolved.
-- Params: game_dates ARRAY<DATE>, processor STRING, notes STRING
UPDATE nba_predictions.grading_duplicate_audit
SET
    resolved_at = CURRENT_TIMESTAMP(),
    resolution_notes = @notes
WHERE game_date IN UNNEST(@game_dates) AND processor = @processor AND resolved_at IS NULL;
