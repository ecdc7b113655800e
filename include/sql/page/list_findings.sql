-- One row per raised condition, critical ones first, then errors, then the newest. The table has no partitions, and a row per condition.
-- Params: none
WITH raised AS (
    SELECT
        name,
        MIN(raised_at) AS raised_at,
        ANY_VALUE(detail) AS detail,
        ANY_VALUE(severity) AS severity,
        ANY_VALUE(game_date) AS game_date,
        ANY_VALUE(alert) AS alert,
        MAX(seen) AS seen,
        MAX(seen_at) AS seen_at,
        LOGICAL_AND(delivered_at IS NULL OR delivered_at < changed_at) AS untold
    FROM nba_predictions.incidents
    WHERE raised_at IS NOT NULL
    GROUP BY name
)

SELECT *
FROM raised
ORDER BY CASE severity WHEN 'CRITICAL' THEN 0 WHEN 'ERROR' THEN 1 ELSE 2 END ASC, raised_at DESC, name ASC
LIMIT 200;
