-- One row per date of the range that holds a key more than once: its rows, its keys, and the rows too many.
-- Params: first DATE, last DATE. Identifiers: target, key
SELECT
    game_date,
    SUM(occurrences) AS stored_rows,
    COUNT(*) AS stored_keys,
    SUM(occurrences - 1) AS surplus_rows
FROM (
    SELECT
        game_date,
        COUNT(*) AS occurrences
    FROM {target}
    WHERE game_date BETWEEN @first AND @last
    GROUP BY game_date, {key}
) AS keys
GROUP BY game_date
HAVING SUM(occurrences) > COUNT(*)
ORDER BY game_date;
