-- One row per game date with predictions: gradable, graded, voided, pending and duplicate rows.
-- Params: complete_minutes INT64
WITH
gradable AS (
    SELECT DISTINCT
        game_date,
        game_id,
        player_lookup,
        system_id,
        current_points_line
    FROM nba_predictions.gradable_predictions
    WHERE game_date >= DATE '1970-01-01'
),

complete_games AS (
    SELECT
        game_date,
        game_id
    FROM nba_predictions.game_completeness
    WHERE game_date >= DATE '1970-01-01' AND complete_minutes >= @complete_minutes
),

expected AS (
    SELECT
        game_date,
        COUNT(*) AS gradable,
        COUNTIF(complete_games.game_id IS NULL) AS pending
    FROM gradable
    LEFT JOIN complete_games USING (game_date, game_id)
    GROUP BY game_date
),

stored_keys AS (
    SELECT
        game_date,
        COUNTIF(NOT is_voided) AS graded,
        COUNTIF(is_voided) AS voided,
        COUNT(*) - 1 AS surplus
    FROM nba_predictions.prediction_accuracy
    WHERE game_date >= DATE '1970-01-01'
    GROUP BY game_date, player_lookup, game_id, system_id, line_value
),

stored AS (
    SELECT
        game_date,
        SUM(graded) AS graded,
        SUM(voided) AS voided,
        SUM(surplus) AS duplicates
    FROM stored_keys
    GROUP BY game_date
)

SELECT
    expected.game_date,
    expected.gradable,
    expected.pending,
    COALESCE(stored.graded, 0) AS graded,
    COALESCE(stored.voided, 0) AS voided,
    COALESCE(stored.duplicates, 0) AS duplicates
FROM expected
LEFT JOIN stored USING (game_date)
ORDER BY expected.game_date;
