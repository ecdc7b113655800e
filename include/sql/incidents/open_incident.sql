-- Opens an incident and claims its delivery, unless it is open. Of concurrent callers one changes a row. The subquery keeps a second row of
-- the name, left by a concurrent seed, from being opened as well. An incident whose resolution is not delivered yet keeps its thread.
-- Params: name STRING, detail STRING, severity STRING, game_date DATE, alert STRING
UPDATE nba_predictions.incidents
SET
    opened_at = CURRENT_TIMESTAMP(),
    resolved_at = NULL,
    resolution = NULL,
    probed_at = NULL,
    probed_by = NULL,
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
    channel = IF(delivered_at >= changed_at, NULL, channel),
    thread = IF(delivered_at >= changed_at, NULL, thread)
WHERE
    name = @name
    AND NOT EXISTS (
        SELECT 1
        FROM nba_predictions.incidents AS stored
        WHERE stored.name = @name AND stored.opened_at IS NOT NULL AND stored.resolved_at IS NULL
    );
