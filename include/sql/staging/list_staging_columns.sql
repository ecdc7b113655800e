-- One row per column of every staging table of the dataset.
SELECT
    table_name,
    column_name
FROM nba_predictions.INFORMATION_SCHEMA.COLUMNS -- noqa: CP02
WHERE STARTS_WITH(table_name, '_staging_');
