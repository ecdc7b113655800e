-- The rows of a game date once a batch is merged into it, one per business key: new keys, newer values of old ones, and the rest as it is.
-- Read into the staging table of the guarded write, never straight into player_prop_predictions. Merging again gives the same rows.
-- Params: game_date DATE. Text: candidates, of select_stored and select_staging
WITH
-- made_at: when the values of a row were made; for a staging row, when it was created, whatever its update time says. is_gradable is
-- the view gradable_predictions as an expression, which a test compares with it.
candidates AS (
    SELECT
        *,
        staging_table IS NULL AS is_stored,
        staging_table IS NULL AND is_active IS NOT FALSE AND invalidation_reason IS NULL AS is_gradable,
        IF(
            staging_table IS NULL,
            GREATEST(COALESCE(updated_at, created_at), COALESCE(created_at, updated_at)),
            created_at
        ) AS made_at
    FROM ({candidates}) AS candidate
),

-- One row per key of the batch, the latest; and one of the date. Several stored rows of a key, which history left, become the one
-- that grading takes (grade_predictions, rule 1), so that no grade changes; they keep the id and the time of the earliest.
newest AS (
    SELECT
        *,
        COUNT(*) OVER (PARTITION BY game_id, player_lookup, system_id, current_points_line, is_stored) AS copies,
        MIN(created_at) OVER (PARTITION BY game_id, player_lookup, system_id, current_points_line, is_stored) AS first_created_at,
        FIRST_VALUE(prediction_id) OVER (
            PARTITION BY game_id, player_lookup, system_id, current_points_line, is_stored
            ORDER BY created_at IS NULL, created_at, prediction_id
        ) AS first_id
    FROM candidates
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY game_id, player_lookup, system_id, current_points_line, is_stored
        ORDER BY
            is_gradable DESC, created_at DESC, prediction_id DESC,
            updated_at DESC, predicted_points DESC, confidence_score DESC, recommendation DESC, staging_table DESC
    ) = 1
),

-- A stored row yields to newer values only, not to those of the same time: the second merge of a batch finds nothing to do.
merged AS (
    SELECT
        *,
        LOGICAL_OR(is_stored) OVER (PARTITION BY game_id, player_lookup, system_id, current_points_line) AS was_stored,
        MAX(IF(is_stored, first_id, NULL)) OVER (PARTITION BY game_id, player_lookup, system_id, current_points_line) AS stored_id,
        MAX(IF(is_stored, first_created_at, NULL)) OVER (PARTITION BY game_id, player_lookup, system_id, current_points_line) AS stored_created_at
    FROM newest
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY game_id, player_lookup, system_id, current_points_line
        ORDER BY made_at DESC, is_stored DESC
    ) = 1
)

SELECT
    IF(was_stored, stored_id, prediction_id) AS prediction_id,
    system_id,
    player_lookup,
    game_id,
    game_date,
    predicted_points,
    confidence_score,
    recommendation,
    current_points_line,
    line_source,
    sportsbook,
    is_active,
    invalidation_reason,
    injury_status_at_prediction,
    model_version,
    IF(was_stored, stored_created_at, created_at) AS created_at,
    IF(was_stored AND (copies > 1 OR NOT is_stored), made_at, updated_at) AS updated_at
FROM merged
