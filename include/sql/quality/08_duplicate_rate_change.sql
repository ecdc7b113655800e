-- Duplicate rate in prediction_accuracy, this week against last: by how many per cent it is up. From none to some is 100.
-- unit: per cent
-- warn_above: 10
-- next: Something inserts outside the guard, and more than last week: find it in BigQuery's job history, and take its right to insert away.
-- runbook: duplicates-found
-- Params: week_start DATE, day DATE
WITH keys AS (
    SELECT
        game_date >= @week_start AS is_this_week,
        COUNT(*) AS stored_rows
    FROM nba_predictions.prediction_accuracy
    WHERE game_date BETWEEN CAST(DATE_SUB(@day, INTERVAL 13 DAY) AS DATE) AND @day
    GROUP BY game_date, game_id, player_lookup, system_id, line_value
),

rates AS (
    SELECT
        SAFE_DIVIDE(SUM(IF(is_this_week, stored_rows - 1, 0)), SUM(IF(is_this_week, stored_rows, 0))) AS this_week,
        SAFE_DIVIDE(SUM(IF(is_this_week, 0, stored_rows - 1)), SUM(IF(is_this_week, 0, stored_rows))) AS last_week
    FROM keys
)

SELECT
    CAST(ROUND(CASE
        WHEN COALESCE(this_week, 0) = 0 THEN 0
        WHEN COALESCE(last_week, 0) = 0 THEN 100
        ELSE 100 * (this_week - last_week) / last_week
    END, 1) AS NUMERIC(38, 9)) AS figure,
    CONCAT(
        'this week ', CAST(ROUND(100 * COALESCE(this_week, 0), 3) AS STRING),
        ' per cent, last week ', CAST(ROUND(100 * COALESCE(last_week, 0), 3) AS STRING)
    ) AS detail
FROM rates;
