-- What is compared of one staging table: a part of count_unmerged_rows.
-- Literals: table_name. Identifiers: key: its date and its business key, time_column, staging
SELECT
    {table_name} AS table_name,
    {key},
    {time_column} AS staged_at
FROM {staging};
