-- title: Increase of the duplicate rate in prediction_accuracy over last week, in per cent; 100 when last week had none.
-- unit: per cent
-- warn_above: 10
-- next_step: Find what inserts without a guarded write in BigQuery's job history, and revoke its permission to insert.
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
    END, 1) AS NUMERIC(38, 9)) AS value,
    CONCAT(
        'this week ', CAST(ROUND(100 * COALESCE(this_week, 0), 3) AS STRING),
        ' per cent, last week ', CAST(ROUND(100 * COALESCE(last_week, 0), 3) AS STRING)
    ) AS detail
FROM rates;
