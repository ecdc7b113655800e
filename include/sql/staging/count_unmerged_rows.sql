-- One row per staging table: its rows, and how many of their keys the main table lacks on their date.
-- Identifiers: staged (the tables' names, dates and keys, one SELECT each, joined by UNION ALL), target, key
WITH staged AS (
    {staged}
),

stored AS (
    SELECT DISTINCT
        game_date,
        {key}
    FROM {target}
    WHERE game_date IN (SELECT DISTINCT game_date FROM staged)
)

SELECT
    staged.table_name,
    COUNT(*) AS staged_rows,
    COUNTIF(stored.game_date IS NULL) AS unmerged_rows
FROM staged
LEFT JOIN stored
    ON {join}
GROUP BY staged.table_name
ORDER BY staged.table_name;
