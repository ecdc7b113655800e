-- One row per staging table that has rows: how many, and how many of them are not proven to be in the main table, because their key is
-- missing on their date or has older values there. A NULL time: see pipelines/merged.py.
-- Params: first DATE, last DATE: the dates of the main table to look at
-- Identifiers: target, date_column, key (the date and the business key). Text: staged (one staged_rows_fragment per table, joined by
-- UNION ALL), join, value_time: when a row of the main table got its values
WITH staged AS (
    {staged}
),

stored AS (
    SELECT
        {key},
        MAX({value_time}) AS stored_at
    FROM {target}
    WHERE {date_column} BETWEEN @first AND @last
    GROUP BY {key}
)

SELECT
    staged.table_name,
    COUNT(*) AS staged_rows,
    COUNTIF(
        stored.{date_column} IS NULL
        OR NOT (staged.staged_at IS NULL OR COALESCE(stored.stored_at >= staged.staged_at, FALSE))
    ) AS unmerged_rows
FROM staged
LEFT JOIN stored
    ON {join}
GROUP BY staged.table_name;
