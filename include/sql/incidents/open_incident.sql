-- Raises a condition. Of any number that raise it at the same time one changes a row: that one tells people, and claims it.
-- What was cleared a moment ago, and not told yet, goes on in the thread it has.
-- Params: name STRING, detail STRING, severity STRING, game_date DATE, alert STRING
UPDATE nba_predictions.incidents
SET
    raised_at = CURRENT_TIMESTAMP(),
    opened_at = CURRENT_TIMESTAMP(),
    resolved_at = NULL,
    recovery = NULL,
    probed_at = NULL,
    probed_by = NULL,
    detail = @detail,
    severity = @severity,
    game_date = @game_date,
    alert = @alert,
    seen = 1,
    seen_at = CURRENT_TIMESTAMP(),
    changed_at = CURRENT_TIMESTAMP(),
    delivered_at = NULL,
    delivery_claimed_at = CURRENT_TIMESTAMP(),
    escalated_at = NULL,
    channel = IF(delivered_at >= changed_at, NULL, channel),
    thread = IF(delivered_at >= changed_at, NULL, thread)
WHERE name = @name AND raised_at IS NULL;
