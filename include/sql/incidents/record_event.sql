-- Writes down something that is over as it is told, and claims the telling of it.
-- Params: name STRING, detail STRING, severity STRING, game_date DATE, alert STRING
UPDATE nba_predictions.incidents
SET
    raised_at = NULL,
    opened_at = CURRENT_TIMESTAMP(),
    resolved_at = CURRENT_TIMESTAMP(),
    recovery = NULL,
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
    channel = NULL,
    thread = NULL
WHERE name = @name;
