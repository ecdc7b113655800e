-- One row per staging table that has rows: how many, and how many of them have a key that the main table lacks on their date, or has
-- with older values.
-- Identifiers: staged (one SELECT of table_name, key and staged_at a table, joined by UNION ALL), target, date_column, key (the date
-- and the business key), join, and value_time: when a row of the target got its values
WITH staged AS (
    {staged}
),

stored AS (
    SELECT
        {key},
        MAX({value_time}) AS stored_at
    FROM {target}
    WHERE {date_column} IN (SELECT DISTINCT {date_column} FROM staged)
    GROUP BY {key}
)

SELECT
    staged.table_name,
    COUNT(*) AS staged_rows,
    COUNTIF(stored.{date_column} IS NULL OR COALESCE(staged.staged_at > stored.stored_at, FALSE)) AS unmerged_rows
FROM staged
LEFT JOIN stored
    ON {join}
GROUP BY staged.table_name;
