-- One row per date of prediction_accuracy that was just written: duplicate keys, keys that lack a part, and what it holds of its newest write.
-- stored_graded and stored_voided count the keys that carry the token of the fence, foreign_keys the others. They count keys, not rows, as
-- duplicates are counted apart. The token says whose counts these are: a write that a newer one has replaced compares nothing.
-- Params: game_dates ARRAY<DATE>
WITH fence AS (
    SELECT
        game_date,
        MAX(fencing_token) AS published_token
    FROM nba_predictions.write_fences_prediction_accuracy
    WHERE game_date IN UNNEST(@game_dates)
    GROUP BY game_date
),

stored_keys AS (
    SELECT
        grade.game_date,
        COUNT(*) AS copies,
        grade.player_lookup IS NULL OR grade.game_id IS NULL OR grade.system_id IS NULL AS is_null,
        LOGICAL_OR(grade.is_voided) AS is_voided,
        LOGICAL_OR(COALESCE(grade.fencing_token = fence.published_token, FALSE)) AS is_published
    FROM nba_predictions.prediction_accuracy AS grade
    LEFT JOIN fence USING (game_date)
    WHERE grade.game_date IN UNNEST(@game_dates)
    GROUP BY grade.game_date, grade.player_lookup, grade.game_id, grade.system_id, grade.line_value
),

stored AS (
    SELECT
        game_date,
        COUNTIF(copies > 1) AS duplicate_keys,
        SUM(copies - 1) AS surplus_rows,
        SUM(IF(is_null, copies, 0)) AS null_key_rows,
        COUNTIF(is_published AND NOT is_voided) AS stored_graded,
        COUNTIF(is_published AND is_voided) AS stored_voided,
        COUNTIF(NOT is_published) AS foreign_keys
    FROM stored_keys
    GROUP BY game_date
)

SELECT
    checked_date,
    fence.published_token,
    COALESCE(stored.duplicate_keys, 0) AS duplicate_keys,
    COALESCE(stored.surplus_rows, 0) AS surplus_rows,
    COALESCE(stored.null_key_rows, 0) AS null_key_rows,
    COALESCE(stored.stored_graded, 0) AS stored_graded,
    COALESCE(stored.stored_voided, 0) AS stored_voided,
    COALESCE(stored.foreign_keys, 0) AS foreign_keys
FROM UNNEST(@game_dates) AS checked_date
LEFT JOIN fence ON checked_date = fence.game_date
LEFT JOIN stored ON checked_date = stored.game_date
ORDER BY checked_date;
