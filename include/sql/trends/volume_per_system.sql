-- One row per day with predictions and system, from the system's first day on (within the days read): its gradable predictions, the mean
-- of the seven days before, and the ratio of the two. Days on which no system predicted are left out, also of the mean; a day on
-- which only other systems predicted counts as zero. A system without a prediction on all these days has no row.
-- Params: day DATE, days INT64
WITH
-- Seven days more than are returned, for the mean of the first of them.
gradable AS (
    SELECT DISTINCT
        game_date,
        game_id,
        player_lookup,
        system_id,
        current_points_line
    FROM nba_predictions.gradable_predictions
    WHERE
        game_date > DATE_SUB(@day, INTERVAL @days + 7 DAY)
        AND game_date <= @day
),

counted AS (
    SELECT
        game_date,
        system_id,
        COUNT(*) AS predictions
    FROM gradable
    GROUP BY game_date, system_id
),

days AS (
    SELECT DISTINCT game_date
    FROM counted
),

systems AS (
    SELECT
        system_id,
        MIN(game_date) AS first_day
    FROM counted
    GROUP BY system_id
),

volumes AS (
    SELECT
        days.game_date,
        systems.system_id,
        COALESCE(counted.predictions, 0) AS predictions
    FROM systems
    INNER JOIN days ON systems.first_day <= days.game_date
    LEFT JOIN counted ON days.game_date = counted.game_date AND systems.system_id = counted.system_id
),

means AS (
    SELECT
        game_date,
        system_id,
        predictions,
        AVG(predictions) OVER (
            PARTITION BY system_id
            ORDER BY UNIX_DATE(game_date)
            RANGE BETWEEN 7 PRECEDING AND 1 PRECEDING
        ) AS mean_before
    FROM volumes
)

SELECT
    game_date,
    system_id,
    predictions,
    mean_before,
    SAFE_DIVIDE(predictions, mean_before) AS volume_ratio
FROM means
WHERE game_date > DATE_SUB(@day, INTERVAL @days DAY)
ORDER BY game_date, system_id;
