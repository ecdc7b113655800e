-- One row per raised condition whose name starts as given.
-- Params: prefix STRING
SELECT
    name,
    MIN(raised_at) AS raised_at,
    MAX(probed_at) AS probed_at,
    ANY_VALUE(detail) AS detail
FROM nba_predictions.conditions
WHERE STARTS_WITH(name, @prefix) AND raised_at IS NOT NULL
GROUP BY name
ORDER BY raised_at, name;
