-- Copies the conditions of version 0.1.0 that have no incident yet; copying them again changes nothing. Of two rows of one name, which two
-- processes could insert, it copies the one that changed last.
-- The key of an alert's JSON has one form, as json.dumps escapes the quotes inside its strings.
INSERT INTO nba_predictions.incidents (
    name, opened_at, resolved_at, resolution, severity, game_date, detail, alert, occurrences, last_seen_at, changed_at, delivered_at,
    delivery_claimed_at, escalated_at, probed_at, probed_by, channel, thread
)
SELECT
    old.name,
    COALESCE(old.begun_at, old.raised_at) AS opened_at,
    IF(old.raised_at IS NULL, old.cleared_at, NULL) AS resolved_at,
    old.recovery AS resolution,
    old.severity,
    old.game_date,
    old.detail,
    REPLACE(old.alert, '"done": ', '"impact": ') AS alert,
    old.seen AS occurrences,
    old.seen_at AS last_seen_at,
    old.changed_at,
    old.told_at AS delivered_at,
    old.telling_at AS delivery_claimed_at,
    old.escalated_at,
    old.probed_at,
    old.probed_by,
    old.channel,
    old.thread
FROM nba_predictions.conditions AS old
WHERE NOT EXISTS (SELECT 1 FROM nba_predictions.incidents AS incident WHERE incident.name = old.name)
QUALIFY ROW_NUMBER() OVER (PARTITION BY old.name ORDER BY old.changed_at DESC NULLS LAST) = 1;
