-- The rows of one staging table, as candidates of a merge.
-- Identifiers: staging, columns: in the target's order, NULL for those the table lacks. Literals: staging_name
SELECT
    {columns},
    {staging_name} AS staging_table
FROM {staging};
