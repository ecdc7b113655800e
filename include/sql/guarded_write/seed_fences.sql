-- Gives each date of a range a fence row, where it has none, for the publish to update. Two racing seeds leave two rows: harmless, every
-- reader takes the maximum. What the row says comes from the rows that the date holds, so that a fence that was lost starts again at the
-- newest token, and grades that were stored before there were fences have a version.
-- Params: first_date DATE, last_date DATE. Identifiers: fences, target, date_column, key, value_time, stored_token: the newest token of
-- its rows, 0 for a table whose rows have none
INSERT INTO {fences} (game_date, fencing_token, version, published_rows, published_keys)
WITH stored_keys AS (
    SELECT
        {date_column} AS stored_date,
        {stored_token} AS fencing_token,
        MAX({value_time}) AS stored_at,
        COUNT(*) AS copies
    FROM {target}
    WHERE {date_column} BETWEEN @first_date AND @last_date
    GROUP BY {date_column}, {key}
),

stored AS (
    SELECT
        stored_date,
        COALESCE(MAX(fencing_token), 0) AS fencing_token,
        COALESCE(UNIX_MICROS(MAX(stored_at)), 1) AS version,
        SUM(copies) AS published_rows,
        COUNT(*) AS published_keys
    FROM stored_keys
    GROUP BY stored_date
),

fenced AS (
    SELECT DISTINCT game_date
    FROM {fences}
    WHERE game_date BETWEEN @first_date AND @last_date
)

SELECT
    unfenced_date,
    COALESCE(stored.fencing_token, 0) AS fencing_token,
    COALESCE(stored.version, 0) AS version,
    COALESCE(stored.published_rows, 0) AS published_rows,
    COALESCE(stored.published_keys, 0) AS published_keys
FROM UNNEST(GENERATE_DATE_ARRAY(@first_date, @last_date)) AS unfenced_date
LEFT JOIN stored ON unfenced_date = stored.stored_date
LEFT JOIN fenced ON unfenced_date = fenced.game_date
WHERE fenced.game_date IS NULL;
