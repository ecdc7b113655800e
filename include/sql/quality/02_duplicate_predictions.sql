-- title: Duplicate keys in player_prop_predictions, last 7 days.
-- unit: surplus rows
-- fail_above: 0
-- next_step: Find what inserted without a guarded write in BigQuery's job history, then remove the duplicates, with a dry run first.
-- trigger: remove_duplicates table=player_prop_predictions from_date=<first_date> to_date=<last_date>
-- runbook: duplicates-found
-- Params: week_start DATE, day DATE
WITH keys AS (
    SELECT
        game_date,
        COUNT(*) - 1 AS surplus_rows
    FROM nba_predictions.player_prop_predictions
    WHERE game_date BETWEEN @week_start AND @day
    GROUP BY game_date, game_id, player_lookup, system_id, current_points_line
    HAVING COUNT(*) > 1
),

dates AS (
    SELECT
        game_date,
        SUM(surplus_rows) AS surplus_rows
    FROM keys
    GROUP BY game_date
)

SELECT
    COALESCE(SUM(surplus_rows), 0) AS value,
    STRING_AGG(CONCAT(CAST(game_date AS STRING), ': ', CAST(surplus_rows AS STRING)), '; ' ORDER BY game_date) AS detail,
    MIN(game_date) AS first_date,
    MAX(game_date) AS last_date
FROM dates;
