-- Part of count_unmerged_rows and find_staged_dates: what they compare of one staging table.
-- Literals: table_name. Identifiers: key: its date and its business key, time_column, staging
SELECT
    {table_name} AS table_name,
    {key},
    {time_column} AS staged_at
FROM {staging};
