-- The watchlist of one day as rows of player_watchlist.
-- Read into a staging table.
-- Params: game_dates ARRAY<DATE>: the day, entries STRING: a JSON array with an object for each system and player, grading_run_id STRING
SELECT
    as_of,
    JSON_VALUE(entry, '$.system_id') AS system_id,
    JSON_VALUE(entry, '$.player_lookup') AS player_lookup,
    CAST(JSON_VALUE(entry, '$.since') AS DATE) AS since,
    CAST(JSON_VALUE(entry, '$.until') AS DATE) AS until,
    CAST(JSON_VALUE(entry, '$.decided') AS INT64) AS decided,
    CAST(JSON_VALUE(entry, '$.won') AS INT64) AS won,
    CAST(JSON_VALUE(entry, '$.win_rate') AS FLOAT64) AS win_rate,
    CAST(JSON_VALUE(entry, '$.shrunk_win_rate') AS FLOAT64) AS shrunk_win_rate,
    CAST(JSON_VALUE(entry, '$.probability') AS FLOAT64) AS probability,
    JSON_VALUE(entry, '$.reason') AS reason,
    CURRENT_TIMESTAMP() AS computed_at,
    @grading_run_id AS grading_run_id
FROM UNNEST(@game_dates) AS as_of
CROSS JOIN UNNEST(JSON_QUERY_ARRAY(@entries)) AS entry
