-- One row per date: how many of its keys the staged rows lack. NULL equals NULL here, as in every comparison of keys.
-- Params: game_dates ARRAY<DATE>. Identifiers: key, target, staging
WITH lost AS (
    SELECT
        game_date,
        {key}
    FROM {target}
    WHERE game_date IN UNNEST(@game_dates)
    EXCEPT DISTINCT
    SELECT
        game_date,
        {key}
    FROM {staging}
)

SELECT
    counted_date,
    COUNTIF(lost.game_date IS NOT NULL) AS lost_keys
FROM UNNEST(@game_dates) AS counted_date
LEFT JOIN lost ON counted_date = lost.game_date
GROUP BY counted_date;
