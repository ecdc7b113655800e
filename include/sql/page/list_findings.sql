-- One row per open incident: critical ones first, then errors, then the newest. Two concurrent seeds may have left two rows of a name.
-- Params: none
WITH open_incidents AS (
    SELECT
        name,
        MIN(opened_at) AS opened_at,
        ANY_VALUE(detail) AS detail,
        ANY_VALUE(severity) AS severity,
        ANY_VALUE(game_date) AS game_date,
        ANY_VALUE(alert) AS alert,
        MAX(occurrences) AS occurrences,
        MAX(last_seen_at) AS last_seen_at,
        LOGICAL_AND(delivered_at IS NULL OR delivered_at < changed_at) AS is_undelivered
    FROM nba_predictions.incidents
    WHERE opened_at IS NOT NULL AND resolved_at IS NULL
    GROUP BY name
)

SELECT *
FROM open_incidents
ORDER BY CASE severity WHEN 'CRITICAL' THEN 0 WHEN 'ERROR' THEN 1 ELSE 2 END ASC, opened_at DESC, name ASC
LIMIT 200;
