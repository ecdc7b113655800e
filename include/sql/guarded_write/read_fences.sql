-- One row per date that has a fence: the newest token published there, 0 before the first.
-- Params: game_dates ARRAY<DATE>. Identifiers: fences
SELECT
    game_date,
    MAX(fencing_token) AS fencing_token
FROM {fences}
WHERE game_date IN UNNEST(@game_dates)
GROUP BY game_date;
