-- One row per system with a gradable prediction or a grade on a game date: how its predictions ended.
-- Read into a staging table. A rate with nothing to divide by is NULL.
-- Params: game_date DATE, grading_run_id STRING
WITH
gradable AS (
    SELECT DISTINCT
        game_id,
        player_lookup,
        system_id,
        current_points_line
    FROM nba_predictions.player_prop_predictions
    WHERE game_date = @game_date AND is_active IS NOT FALSE AND invalidation_reason IS NULL
),

played_games AS (
    SELECT DISTINCT game_id
    FROM nba_box_scores.player_game_summary
    WHERE game_date = @game_date
),

grades AS (
    SELECT
        *,
        NOT is_voided AND confidence_score >= NUMERIC '0.70' AS is_high,
        recommendation IN ('OVER', 'UNDER') AND actual_margin = 0 AS is_push
    FROM nba_predictions.prediction_accuracy
    WHERE game_date = @game_date
),

version AS (
    SELECT COALESCE(UNIX_MICROS(MAX(graded_at)), 0) AS grades_version
    FROM grades
),

graded AS (
    SELECT
        system_id,
        COUNTIF(NOT is_voided) AS graded,
        COUNTIF(is_voided) AS voided,
        COUNTIF(recommendation IN ('OVER', 'UNDER')) AS recommendations,
        COUNTIF(prediction_correct) AS correct,
        COUNTIF(NOT prediction_correct) AS incorrect,
        COUNTIF(is_push) AS pushes,
        COUNTIF(recommendation = 'OVER') AS over_count,
        COUNTIF(recommendation = 'OVER' AND prediction_correct) AS over_correct,
        COUNTIF(recommendation = 'OVER' AND NOT prediction_correct) AS over_incorrect,
        COUNTIF(recommendation = 'UNDER') AS under_count,
        COUNTIF(recommendation = 'UNDER' AND prediction_correct) AS under_correct,
        COUNTIF(recommendation = 'UNDER' AND NOT prediction_correct) AS under_incorrect,
        COUNT(absolute_error) AS errors,
        AVG(absolute_error) AS mae,
        AVG(signed_error) AS avg_bias,
        COUNTIF(within_3_points) AS within_3_count,
        COUNTIF(within_5_points) AS within_5_count,
        AVG(confidence_score) AS avg_confidence,
        COUNTIF(is_high) AS high_confidence_count,
        COUNTIF(is_high AND prediction_correct) AS high_confidence_correct,
        COUNTIF(is_high AND NOT prediction_correct) AS high_confidence_incorrect
    FROM grades
    GROUP BY system_id
),

pending AS (
    SELECT
        gradable.system_id,
        COUNT(*) AS pending
    FROM gradable
    LEFT JOIN played_games USING (game_id)
    WHERE played_games.game_id IS NULL
    GROUP BY gradable.system_id
),

systems AS (
    SELECT system_id FROM graded
    UNION DISTINCT
    SELECT system_id FROM pending
)

SELECT
    @game_date AS game_date,
    systems.system_id,
    COALESCE(graded.graded, 0) + COALESCE(graded.voided, 0) + COALESCE(pending.pending, 0) AS predictions,
    COALESCE(graded.graded, 0) AS graded,
    COALESCE(graded.voided, 0) AS voided,
    COALESCE(pending.pending, 0) AS pending,
    COALESCE(graded.recommendations, 0) AS recommendations,
    COALESCE(graded.correct, 0) AS correct,
    COALESCE(graded.incorrect, 0) AS incorrect,
    COALESCE(graded.pushes, 0) AS pushes,
    COALESCE(graded.graded - graded.correct - graded.incorrect - graded.pushes, 0) AS passes,
    SAFE_DIVIDE(graded.correct, graded.correct + graded.incorrect) AS win_rate,
    graded.mae,
    graded.avg_bias,
    COALESCE(graded.over_count, 0) AS over_count,
    COALESCE(graded.over_correct, 0) AS over_correct,
    COALESCE(graded.over_incorrect, 0) AS over_incorrect,
    SAFE_DIVIDE(graded.over_correct, graded.over_correct + graded.over_incorrect) AS over_win_rate,
    COALESCE(graded.under_count, 0) AS under_count,
    COALESCE(graded.under_correct, 0) AS under_correct,
    COALESCE(graded.under_incorrect, 0) AS under_incorrect,
    SAFE_DIVIDE(graded.under_correct, graded.under_correct + graded.under_incorrect) AS under_win_rate,
    COALESCE(graded.within_3_count, 0) AS within_3_count,
    SAFE_DIVIDE(graded.within_3_count, graded.errors) AS within_3_share,
    COALESCE(graded.within_5_count, 0) AS within_5_count,
    SAFE_DIVIDE(graded.within_5_count, graded.errors) AS within_5_share,
    graded.avg_confidence,
    COALESCE(graded.high_confidence_count, 0) AS high_confidence_count,
    COALESCE(graded.high_confidence_correct, 0) AS high_confidence_correct,
    COALESCE(graded.high_confidence_incorrect, 0) AS high_confidence_incorrect,
    SAFE_DIVIDE(graded.high_confidence_correct, graded.high_confidence_correct + graded.high_confidence_incorrect) AS high_confidence_win_rate,
    version.grades_version,
    CURRENT_TIMESTAMP() AS computed_at,
    @grading_run_id AS grading_run_id
FROM systems
CROSS JOIN version
LEFT JOIN graded USING (system_id)
LEFT JOIN pending USING (system_id)
