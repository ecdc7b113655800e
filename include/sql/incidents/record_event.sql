-- Records a one-off event, which is resolved from the start, and claims its delivery.
-- Params: name STRING, detail STRING, severity STRING, game_date DATE, alert STRING
UPDATE nba_predictions.incidents
SET
    opened_at = CURRENT_TIMESTAMP(),
    resolved_at = CURRENT_TIMESTAMP(),
    resolution = NULL,
    detail = @detail,
    severity = @severity,
    game_date = @game_date,
    alert = @alert,
    occurrences = 1,
    last_seen_at = CURRENT_TIMESTAMP(),
    changed_at = CURRENT_TIMESTAMP(),
    delivered_at = NULL,
    delivery_claimed_at = CURRENT_TIMESTAMP(),
    escalated_at = NULL,
    channel = NULL,
    thread = NULL
WHERE name = @name;
