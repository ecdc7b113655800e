-- Marks what was found on a date as resolved.
-- Params: game_date DATE, processor STRING, notes STRING
UPDATE nba_predictions.grading_duplicate_audit
SET
    resolved_at = CURRENT_TIMESTAMP(),
    resolution_notes = @notes
WHERE game_date = @game_date AND processor = @processor AND resolved_at IS NULL;
