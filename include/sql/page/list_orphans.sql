-- One row per staging table or backup of the dataset, oldest first. Reads only metadata.
-- Params: none
SELECT
    table_name,
    creation_time
FROM nba_predictions.INFORMATION_SCHEMA.TABLES -- noqa: CP02
WHERE STARTS_WITH(table_name, '_staging_') OR STARTS_WITH(table_name, '_backup_')
ORDER BY creation_time, table_name;
