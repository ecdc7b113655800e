-- One row per staging table with rows that are not proven to be in player_prop_predictions: their key is not there, or only with values
-- that are older than the row. A table without such rows may be dropped.
-- Params: game_date DATE. Text: candidates, of select_stored and select_staging
WITH proven AS (
    SELECT
        staging_table,
        created_at,
        LOGICAL_OR(staging_table IS NULL)
            OVER (PARTITION BY game_date, game_id, player_lookup, system_id, current_points_line)
            AS is_there,
        MAX(IF(staging_table IS NULL, GREATEST(COALESCE(updated_at, created_at), COALESCE(created_at, updated_at)), NULL))
            OVER (PARTITION BY game_date, game_id, player_lookup, system_id, current_points_line)
            AS stored_made_at
    FROM ({candidates}) AS candidate
)

SELECT
    staging_table,
    COUNT(*) AS unmerged_rows
FROM proven
WHERE
    staging_table IS NOT NULL
    AND NOT (is_there AND (created_at IS NULL OR COALESCE(stored_made_at >= created_at, FALSE)))
GROUP BY staging_table
ORDER BY staging_table;
