-- One row per column of the staging tables of a batch, and of the table they are merged into.
-- Params: prefix STRING: what the names of the batch's tables begin with, target STRING
SELECT
    table_name,
    column_name,
    data_type
FROM nba_predictions.INFORMATION_SCHEMA.COLUMNS -- noqa: CP02
WHERE STARTS_WITH(table_name, @prefix) OR table_name = @target
ORDER BY table_name, ordinal_position;
