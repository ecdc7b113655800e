-- One row per date: how its gradable predictions ended, counted from the inputs and from the staged grades apart.
-- gradable = graded + voided + pending must hold before the grades are published.
-- Params: game_dates ARRAY<DATE>. Identifiers: staging
WITH
gradable AS (
    SELECT DISTINCT
        game_date,
        game_id,
        player_lookup,
        system_id,
        current_points_line
    FROM nba_predictions.gradable_predictions
    WHERE game_date IN UNNEST(@game_dates)
),

played_games AS (
    SELECT DISTINCT
        game_date,
        game_id
    FROM nba_box_scores.player_game_summary
    WHERE game_date IN UNNEST(@game_dates)
),

staged AS (
    SELECT
        game_date,
        COUNTIF(NOT is_voided) AS graded,
        COUNTIF(is_voided) AS voided
    FROM {staging}
    GROUP BY game_date
),

expected AS (
    SELECT
        gradable.game_date,
        COUNT(*) AS gradable,
        COUNTIF(played_games.game_id IS NULL) AS pending
    FROM gradable
    LEFT JOIN played_games USING (game_date, game_id)
    GROUP BY gradable.game_date
),

invalid AS (
    SELECT
        game_date,
        COUNT(*) AS invalid_confidence
    FROM nba_predictions.gradable_predictions
    WHERE
        game_date IN UNNEST(@game_dates)
        AND (confidence_score < 0 OR confidence_score > 100)
    GROUP BY game_date
)

SELECT
    counted_date,
    COALESCE(expected.gradable, 0) AS gradable,
    COALESCE(expected.pending, 0) AS pending,
    COALESCE(staged.graded, 0) AS graded,
    COALESCE(staged.voided, 0) AS voided,
    COALESCE(invalid.invalid_confidence, 0) AS invalid_confidence
FROM UNNEST(@game_dates) AS counted_date
LEFT JOIN expected ON counted_date = expected.game_date
LEFT JOIN staged ON counted_date = staged.game_date
LEFT JOIN invalid ON counted_date = invalid.game_date;
