-- One row per incident whose name has the prefix. Two concurrent seeds leave two rows of a name; both open with the same values or one
-- stays unopened, so they are merged into one here.
-- Params: prefix STRING, open_only BOOL: leave resolved incidents out
SELECT
    name,
    MAX(opened_at) AS opened_at,
    MAX(resolved_at) AS resolved_at,
    ANY_VALUE(detail) AS detail,
    ANY_VALUE(alert) AS alert,
    ANY_VALUE(resolution) AS resolution,
    MAX(occurrences) AS occurrences,
    MAX(changed_at) AS changed_at,
    MAX(delivered_at) AS delivered_at,
    MAX(delivery_claimed_at) AS delivery_claimed_at,
    MAX(escalated_at) AS escalated_at,
    ANY_VALUE(channel) AS channel,
    ANY_VALUE(thread) AS thread
FROM nba_predictions.incidents
WHERE STARTS_WITH(name, @prefix) AND opened_at IS NOT NULL AND (resolved_at IS NULL OR NOT @open_only)
GROUP BY name
ORDER BY opened_at, name;
