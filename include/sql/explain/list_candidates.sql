-- The rows of player_prop_predictions of one system for one player on a date, gradable or not, key by key in the order of rule 1:
-- key_rank 1 is the row that is graded; NULL for one that is not gradable.
-- Params: game_date DATE, system_id STRING, player_lookup STRING
WITH candidates AS (
    SELECT
        *,
        is_active IS NOT FALSE AND invalidation_reason IS NULL AS is_gradable
    FROM nba_predictions.player_prop_predictions
    WHERE
        game_date = @game_date
        AND system_id = @system_id
        AND player_lookup = @player_lookup
)

SELECT
    *,
    IF(
        is_gradable,
        ROW_NUMBER() OVER (
            PARTITION BY game_id, current_points_line, is_gradable
            ORDER BY
                created_at DESC, prediction_id DESC,
                updated_at DESC, predicted_points DESC, confidence_score DESC, recommendation DESC
        ),
        NULL
    ) AS key_rank
FROM candidates
ORDER BY game_id ASC, current_points_line ASC, is_gradable DESC, key_rank ASC, created_at DESC;
