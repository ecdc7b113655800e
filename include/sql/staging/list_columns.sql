-- One row per column of the staging tables whose name starts with a prefix, and of one other table.
-- Params: prefix STRING, target STRING: the other table, empty for none
SELECT
    table_name,
    column_name,
    data_type
FROM nba_predictions.INFORMATION_SCHEMA.COLUMNS -- noqa: CP02
WHERE STARTS_WITH(table_name, @prefix) OR table_name = @target
ORDER BY table_name, ordinal_position;
