-- One row per date: how its gradable predictions ended, counted from the inputs and from the staged grades apart.
-- gradable = graded + voided + pending must hold before the grades are published. Pending is counted by its reason as well, and
-- unknown_games counts the predicted games that are graded although no row of them has minutes.
-- Params: game_dates ARRAY<DATE>, complete_minutes INT64. Identifiers: staging
WITH
keys AS (
    SELECT DISTINCT
        game_date,
        game_id,
        player_lookup,
        system_id,
        current_points_line
    FROM nba_predictions.gradable_predictions
    WHERE game_date IN UNNEST(@game_dates)
),

box_scores AS (
    SELECT
        game_date,
        game_id,
        complete_minutes >= @complete_minutes AS is_complete,
        is_unknown AND NOT is_accepted AS is_unknown
    FROM nba_predictions.game_completeness
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

games AS (
    SELECT
        keys.game_date,
        keys.game_id,
        COUNT(*) AS gradable,
        LOGICAL_OR(box_scores.game_id IS NOT NULL) AS has_box_score,
        LOGICAL_OR(COALESCE(box_scores.is_complete, FALSE)) AS is_complete,
        LOGICAL_OR(COALESCE(box_scores.is_unknown, FALSE)) AS is_unknown
    FROM keys
    LEFT JOIN box_scores USING (game_date, game_id)
    GROUP BY keys.game_date, keys.game_id
),

expected AS (
    SELECT
        game_date,
        SUM(gradable) AS gradable,
        SUM(IF(is_complete, 0, gradable)) AS pending,
        SUM(IF(has_box_score, 0, gradable)) AS pending_no_box_score,
        SUM(IF(has_box_score AND NOT is_complete, gradable, 0)) AS pending_incomplete,
        COUNTIF(has_box_score AND NOT is_complete) AS incomplete_games,
        COUNTIF(is_unknown) AS unknown_games
    FROM games
    GROUP BY game_date
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
    COALESCE(expected.pending_no_box_score, 0) AS pending_no_box_score,
    COALESCE(expected.pending_incomplete, 0) AS pending_incomplete,
    COALESCE(expected.incomplete_games, 0) AS incomplete_games,
    COALESCE(expected.unknown_games, 0) AS unknown_games,
    COALESCE(staged.graded, 0) AS graded,
    COALESCE(staged.voided, 0) AS voided,
    COALESCE(invalid.invalid_confidence, 0) AS invalid_confidence
FROM UNNEST(@game_dates) AS counted_date
LEFT JOIN expected ON counted_date = expected.game_date
LEFT JOIN staged ON counted_date = staged.game_date
LEFT JOIN invalid ON counted_date = invalid.game_date;
