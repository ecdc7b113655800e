-- One row per staging table of the dataset, oldest first.
SELECT
    table_name,
    creation_time
FROM nba_predictions.INFORMATION_SCHEMA.TABLES -- noqa: CP02
WHERE STARTS_WITH(table_name, '_staging_')
ORDER BY creation_time, table_name;
