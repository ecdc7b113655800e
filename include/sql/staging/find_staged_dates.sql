-- One row: the first and the last date of the rows of some staging tables, NULL if they hold none.
-- Text: staged (one staged_rows_fragment per table, joined by UNION ALL). Identifiers: date_column
SELECT
    MIN({date_column}) AS first_date,
    MAX({date_column}) AS last_date
FROM (
    {staged}
) AS staged;
