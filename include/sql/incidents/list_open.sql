-- Which of these conditions are raised.
-- Params: names ARRAY<STRING>
SELECT DISTINCT name
FROM nba_predictions.incidents
WHERE name IN UNNEST(@names) AND raised_at IS NOT NULL
ORDER BY name;
