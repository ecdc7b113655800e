-- Counts a repeat of a raised condition. It is news when the last news is old enough, or the severity is another one.
-- Params: name STRING, detail STRING, severity STRING, game_date DATE, alert STRING, latest TIMESTAMP: the last news that is old enough
UPDATE nba_predictions.incidents
SET
    seen = seen + 1,
    seen_at = CURRENT_TIMESTAMP(),
    detail = @detail,
    game_date = @game_date,
    alert = @alert,
    changed_at = IF(changed_at <= @latest OR severity != @severity, CURRENT_TIMESTAMP(), changed_at),
    severity = @severity
WHERE name = @name AND raised_at IS NOT NULL;
