-- One row: how the gradable predictions of a date ended, counted from the inputs and from the staged grades apart.
-- gradable = graded + voided + pending must hold before the grades are published.
-- Params: game_date DATE. Identifiers: staging
WITH
gradable AS (
    SELECT DISTINCT
        game_id,
        player_lookup,
        system_id,
        current_points_line
    FROM nba_predictions.gradable_predictions
    WHERE game_date = @game_date
),

played_games AS (
    SELECT DISTINCT game_id
    FROM nba_box_scores.player_game_summary
    WHERE game_date = @game_date
),

staged AS (
    SELECT
        COUNTIF(NOT is_voided) AS graded,
        COUNTIF(is_voided) AS voided
    FROM {staging}
),

expected AS (
    SELECT
        COUNT(*) AS gradable,
        COUNTIF(played_games.game_id IS NULL) AS pending
    FROM gradable
    LEFT JOIN played_games USING (game_id)
)

SELECT
    expected.gradable,
    expected.pending,
    staged.graded,
    staged.voided,
    (
        SELECT COUNT(*)
        FROM nba_predictions.gradable_predictions
        WHERE
            game_date = @game_date
            AND (confidence_score < 0 OR confidence_score > 100)
    ) AS invalid_confidence
FROM expected CROSS JOIN staged;
