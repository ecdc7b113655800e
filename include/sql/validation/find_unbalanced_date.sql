-- One row when a date does not hold what its newest write published: the counts differ from those reported, or there are other keys.
-- It counts keys, not rows, as find_duplicate_keys finds duplicates. The counts of a write that a newer one replaced are not compared:
-- the run of the newer one compares its own.
-- Params: game_date DATE, fencing_token INT64, graded INT64, voided INT64
WITH fence AS (
    SELECT MAX(fencing_token) AS published_token
    FROM nba_predictions.write_fences
    WHERE table_name = 'prediction_accuracy' AND game_date = @game_date
),

stored_keys AS (
    SELECT
        LOGICAL_OR(grade.is_voided) AS is_voided,
        LOGICAL_OR(COALESCE(grade.fencing_token = fence.published_token, FALSE)) AS is_published
    FROM nba_predictions.prediction_accuracy AS grade
    CROSS JOIN fence
    WHERE grade.game_date = @game_date
    GROUP BY grade.player_lookup, grade.game_id, grade.system_id, grade.line_value
),

stored AS (
    SELECT
        COUNTIF(is_published AND NOT is_voided) AS graded,
        COUNTIF(is_published AND is_voided) AS voided,
        COUNTIF(NOT is_published) AS foreign_keys
    FROM stored_keys
)

SELECT
    stored.graded AS stored_graded,
    stored.voided AS stored_voided,
    stored.foreign_keys,
    @graded AS reported_graded,
    @voided AS reported_voided
FROM stored CROSS JOIN fence
WHERE
    stored.foreign_keys > 0
    OR (
        fence.published_token = @fencing_token
        AND (stored.graded != @graded OR stored.voided != @voided)
    );
