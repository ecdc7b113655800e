-- One row per staging table that has rows: how many, and how many of them have a key that the main table lacks on their date.
-- Identifiers: staged (one SELECT of table_name, game_date and key a table, joined by UNION ALL), target, key, join
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
GROUP BY staged.table_name;
