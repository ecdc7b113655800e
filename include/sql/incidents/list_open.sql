-- The names of those of the given incidents that are open.
-- Params: names ARRAY<STRING>
SELECT DISTINCT name
FROM nba_predictions.incidents
WHERE name IN UNNEST(@names) AND opened_at IS NOT NULL AND resolved_at IS NULL
ORDER BY name;
