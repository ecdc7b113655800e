-- One row per staging table of a batch that holds rows: how many, and what is wrong with them.
-- Params: game_date DATE. Text: candidates, of select_stored and select_staging
SELECT
    staging_table,
    COUNT(*) AS staged_rows,
    COUNTIF(game_id IS NULL OR player_lookup IS NULL OR system_id IS NULL) AS null_keys,
    COUNTIF(game_date IS DISTINCT FROM @game_date) AS foreign_rows,
    STRING_AGG(DISTINCT IF(game_date IS DISTINCT FROM @game_date, COALESCE(CAST(game_date AS STRING), 'no date'), NULL), ', ') AS foreign_dates
FROM ({candidates}) AS candidate
WHERE staging_table IS NOT NULL
GROUP BY staging_table
ORDER BY staging_table;
