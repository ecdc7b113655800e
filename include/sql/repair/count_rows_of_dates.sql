-- One row per date of the range that a table has rows of.
-- Params: first DATE, last DATE. Identifier: target
SELECT
    game_date,
    COUNT(*) AS stored_rows
FROM {target}
WHERE game_date BETWEEN @first AND @last
GROUP BY game_date
ORDER BY game_date;
