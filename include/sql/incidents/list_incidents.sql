-- One row per condition whose name starts as given: raised ones, or those that are over as well. Two racing seeds leave two rows, which say
-- the same: they are one here.
-- Params: prefix STRING, raised_only BOOL
SELECT
    name,
    MAX(raised_at) AS raised_at,
    MIN(opened_at) AS opened_at,
    MAX(resolved_at) AS resolved_at,
    ANY_VALUE(detail) AS detail,
    ANY_VALUE(alert) AS alert,
    ANY_VALUE(recovery) AS recovery,
    MAX(seen) AS seen,
    MAX(changed_at) AS changed_at,
    MAX(delivered_at) AS delivered_at,
    MAX(delivery_claimed_at) AS delivery_claimed_at,
    MAX(escalated_at) AS escalated_at,
    ANY_VALUE(channel) AS channel,
    ANY_VALUE(thread) AS thread
FROM nba_predictions.incidents
WHERE STARTS_WITH(name, @prefix) AND alert IS NOT NULL AND (raised_at IS NOT NULL OR NOT @raised_only)
GROUP BY name
ORDER BY opened_at, name;
