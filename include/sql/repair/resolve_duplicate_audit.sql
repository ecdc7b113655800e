-- Marks what was found on some dates as resolved.
-- Params: game_dates ARRAY<DATE>, first DATE: the earliest of them, processor STRING, notes STRING
UPDATE nba_predictions.grading_duplicate_audit
SET
    resolved_at = CURRENT_TIMESTAMP(),
    resolution_notes = @notes
WHERE
    detected_at >= TIMESTAMP_SUB(TIMESTAMP(@first), INTERVAL 30 DAY)
    AND game_date IN UNNEST(@game_dates)
    AND processor = @processor
    AND resolved_at IS NULL;
