-- Counts another occurrence of an open incident. It is to be delivered if the last change is old enough, or the severity is another one.
-- Params: name STRING, detail STRING, severity STRING, game_date DATE, alert STRING, repeat_seconds INT64: an older change is old enough
UPDATE nba_predictions.incidents
SET
    occurrences = occurrences + 1,
    last_seen_at = CURRENT_TIMESTAMP(),
    detail = @detail,
    game_date = @game_date,
    alert = @alert,
    changed_at = IF(
        changed_at <= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL @repeat_seconds SECOND) OR severity != @severity, CURRENT_TIMESTAMP(), changed_at
    ),
    severity = @severity
WHERE name = @name AND opened_at IS NOT NULL AND resolved_at IS NULL;
