-- The condition of a name, raised or over. Two racing seeds leave two rows, which say the same: they are one here.
-- Params: name STRING
SELECT
    name,
    MAX(raised_at) AS raised_at,
    MIN(begun_at) AS begun_at,
    MAX(cleared_at) AS cleared_at,
    ANY_VALUE(detail) AS detail,
    ANY_VALUE(alert) AS alert,
    ANY_VALUE(recovery) AS recovery,
    MAX(seen) AS seen,
    MAX(changed_at) AS changed_at,
    MAX(told_at) AS told_at,
    MAX(telling_at) AS telling_at,
    MAX(escalated_at) AS escalated_at,
    ANY_VALUE(channel) AS channel,
    ANY_VALUE(thread) AS thread
FROM nba_predictions.conditions
WHERE name = @name AND alert IS NOT NULL
GROUP BY name;
