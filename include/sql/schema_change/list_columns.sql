-- One row per column of a dataset's tables.
-- Identifiers: dataset
SELECT
    table_name,
    column_name
FROM {dataset}.INFORMATION_SCHEMA.COLUMNS; -- noqa: CP02
