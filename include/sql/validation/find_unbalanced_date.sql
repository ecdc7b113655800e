-- One row when a date does not hold what its newest write reported: other counts than graded and voided, or rows of several writes.
-- Silent once a newer write has published: that one is checked by its own run.
-- Params: game_date DATE, fencing_token INT64, graded INT64, voided INT64
-- severity: fail
WITH stored AS (
    SELECT
        COUNT(DISTINCT COALESCE(fencing_token, -1)) AS tokens,
        MAX(fencing_token) AS newest_token,
        COUNTIF(NOT is_voided) AS graded,
        COUNTIF(is_voided) AS voided
    FROM nba_predictions.prediction_accuracy
    WHERE game_date = @game_date
),

fence AS (
    SELECT MAX(fencing_token) AS published_token
    FROM nba_predictions.write_fences
    WHERE table_name = 'prediction_accuracy' AND game_date = @game_date
)

SELECT
    stored.graded AS stored_graded,
    stored.voided AS stored_voided,
    stored.tokens AS writes_mixed,
    @graded AS reported_graded,
    @voided AS reported_voided
FROM stored CROSS JOIN fence
WHERE
    stored.tokens > 1
    OR (
        fence.published_token = @fencing_token
        AND (stored.graded != @graded OR stored.voided != @voided)
    );
