-- One row per claimed date: the counts by which its staged rows pass or fail the audit, the counts of the work itself, and the newest token
-- of its fence, NULL without one. Keys are compared with NULL equal to NULL. foreign_rows is the same in every row: staged rows of no
-- claimed date.
-- Params: game_dates ARRAY<DATE>, and those of counts. Identifiers: staging, target, fences, date_column, key, null_key. Text: counts:
-- a SELECT of counted_date and the counts of the work
WITH claimed AS (
    SELECT claimed_date
    FROM UNNEST(@game_dates) AS claimed_date
),

staged_keys AS (
    SELECT
        {date_column} AS staged_date,
        COUNT(*) AS copies,
        LOGICAL_OR({null_key}) AS is_null
    FROM {staging}
    GROUP BY {date_column}, {key}
),

staged AS (
    SELECT
        staged_date,
        SUM(copies) AS staged_rows,
        COUNT(*) AS staged_keys,
        SUM(IF(is_null, copies, 0)) AS null_keys
    FROM staged_keys
    GROUP BY staged_date
),

stored_keys AS (
    SELECT
        {date_column} AS stored_date,
        COUNT(*) AS copies
    FROM {target}
    WHERE {date_column} IN UNNEST(@game_dates)
    GROUP BY {date_column}, {key}
),

stored AS (
    SELECT
        stored_date,
        SUM(copies) AS stored_rows,
        COUNT(*) AS stored_keys
    FROM stored_keys
    GROUP BY stored_date
),

fence AS (
    SELECT
        game_date AS fenced_date,
        MAX(fencing_token) AS fencing_token
    FROM {fences}
    WHERE game_date IN UNNEST(@game_dates)
    GROUP BY game_date
),

counts AS (
    {counts}
)

SELECT
    claimed.claimed_date,
    fence.fencing_token,
    COALESCE(staged.staged_rows, 0) AS staged_rows,
    COALESCE(staged.staged_keys, 0) AS staged_keys,
    COALESCE(staged.null_keys, 0) AS null_keys,
    COALESCE(stored.stored_rows, 0) AS stored_rows,
    COALESCE(stored.stored_keys, 0) AS stored_keys,
    (SELECT COUNTIF(COALESCE({date_column} NOT IN UNNEST(@game_dates), TRUE)) FROM {staging}) AS foreign_rows,
    counts.*
FROM claimed
LEFT JOIN staged ON claimed.claimed_date = staged.staged_date
LEFT JOIN stored ON claimed.claimed_date = stored.stored_date
LEFT JOIN fence ON claimed.claimed_date = fence.fenced_date
LEFT JOIN counts ON claimed.claimed_date = counts.counted_date;
