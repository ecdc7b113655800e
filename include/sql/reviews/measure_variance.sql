-- One row per player, and per system and player, with at least min_games games played in the year that ends on a day: the standard deviation of
-- their points, and of the system's errors on them, over the last 20 of those games, against the players of the same scoring level.
-- Read into a staging table. Percentiles are interpolated. Errors are those of bets of record.
-- Params: game_dates ARRAY<DATE>: one day, day DATE: the same, min_games INT64, grading_run_id STRING
WITH
played AS (
    SELECT
        player_lookup,
        'points' AS measure,
        '*' AS system_id,
        game_date,
        game_id,
        points,
        CAST(points AS FLOAT64) AS figure
    FROM nba_box_scores.player_game_summary
    WHERE
        game_date > DATE_SUB(@day, INTERVAL 365 DAY)
        AND game_date <= @day
        AND is_dnp IS NOT TRUE
        AND (points > 0 OR (points = 0 AND minutes_played > 0))
    UNION ALL
    SELECT
        player_lookup,
        'error' AS measure,
        system_id,
        game_date,
        game_id,
        actual_points AS points,
        CAST(predicted_points - actual_points AS FLOAT64) AS figure
    FROM nba_predictions.settled_bets
    WHERE
        game_date > DATE_SUB(@day, INTERVAL 365 DAY)
        AND game_date <= @day
        AND absolute_error IS NOT NULL
),

last_played AS (
    SELECT *
    FROM played
    QUALIFY ROW_NUMBER() OVER (PARTITION BY player_lookup, measure, system_id ORDER BY game_date DESC, game_id DESC) <= 20
),

players AS (
    SELECT
        player_lookup,
        measure,
        system_id,
        COUNT(*) AS games,
        STDDEV_SAMP(figure) AS deviation,
        CASE
            WHEN AVG(points) < 5 THEN '0-5'
            WHEN AVG(points) < 10 THEN '5-10'
            WHEN AVG(points) < 15 THEN '10-15'
            WHEN AVG(points) < 20 THEN '15-20'
            ELSE '20+'
        END AS scoring_level
    FROM last_played
    GROUP BY player_lookup, measure, system_id
    HAVING COUNT(*) >= GREATEST(@min_games, 2)
),

levels AS (
    SELECT
        *,
        PERCENTILE_CONT(deviation, 0.5) OVER (PARTITION BY measure, system_id, scoring_level) AS level_deviation,
        PERCENTILE_CONT(deviation, 0.95) OVER (PARTITION BY measure, system_id, scoring_level) AS level_p95
    FROM players
)

SELECT
    as_of,
    levels.player_lookup,
    levels.measure,
    levels.system_id,
    levels.scoring_level,
    levels.games,
    levels.deviation,
    levels.level_deviation,
    levels.level_p95,
    levels.deviation > levels.level_p95 AS high_variance,
    CURRENT_TIMESTAMP() AS computed_at,
    @grading_run_id AS grading_run_id
FROM UNNEST(@game_dates) AS as_of
CROSS JOIN levels
