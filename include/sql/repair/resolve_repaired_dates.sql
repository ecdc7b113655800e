-- Marks what was found on dates of the range that hold no duplicate key now as resolved. Predictions are made, and can be found doubled, up to
-- 14 days before their date.
-- Params: first DATE, last DATE, processor STRING, notes STRING. Identifiers: target, key
UPDATE nba_predictions.grading_duplicate_audit
SET
    resolved_at = CURRENT_TIMESTAMP(),
    resolution_notes = @notes
WHERE
    detected_at >= TIMESTAMP_SUB(TIMESTAMP(@first), INTERVAL 30 DAY)
    AND game_date BETWEEN @first AND @last
    AND processor = @processor
    AND resolved_at IS NULL
    AND game_date NOT IN (
        SELECT game_date
        FROM {target}
        WHERE game_date BETWEEN @first AND @last
        GROUP BY game_date, {key}
        HAVING COUNT(*) > 1
    );
