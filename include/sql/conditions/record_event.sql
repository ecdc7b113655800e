-- Writes down something that is over as it is told, and claims the telling of it.
-- Params: name STRING, detail STRING, severity STRING, game_date DATE, alert STRING
UPDATE nba_predictions.conditions
SET
    raised_at = NULL,
    begun_at = CURRENT_TIMESTAMP(),
    cleared_at = CURRENT_TIMESTAMP(),
    recovery = NULL,
    detail = @detail,
    severity = @severity,
    game_date = @game_date,
    alert = @alert,
    seen = 1,
    seen_at = CURRENT_TIMESTAMP(),
    changed_at = CURRENT_TIMESTAMP(),
    told_at = NULL,
    telling_at = CURRENT_TIMESTAMP(),
    escalated_at = NULL,
    channel = NULL,
    thread = NULL
WHERE name = @name;
