-- One row per date and system with a gradable prediction or a grade: how its predictions ended.
-- Read into a staging table. A rate with nothing to divide by is NULL.
-- Params: game_dates ARRAY<DATE>, complete_minutes INT64, grading_run_id STRING. Text: candidates, the SELECT of
-- aggregates/candidates_fragment
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

complete_games AS (
    SELECT
        game_date,
        game_id
    FROM nba_predictions.game_completeness
    WHERE game_date IN UNNEST(@game_dates) AND complete_minutes >= @complete_minutes
),

grades AS (
    SELECT
        *,
        NOT is_voided AND confidence_score >= NUMERIC '0.70' AS is_high,
        recommendation IN ('OVER', 'UNDER') AND actual_margin = 0 AS is_push
    FROM nba_predictions.prediction_accuracy
    WHERE game_date IN UNNEST(@game_dates)
),

versions AS (
    SELECT
        game_date,
        MAX(version) AS grades_version
    FROM nba_predictions.write_fences_prediction_accuracy
    WHERE game_date IN UNNEST(@game_dates)
    GROUP BY game_date
),

graded_systems AS (
    SELECT
        game_date,
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
    GROUP BY game_date, system_id
),

pending_systems AS (
    SELECT
        gradable.game_date,
        gradable.system_id,
        COUNT(*) AS pending
    FROM gradable
    LEFT JOIN complete_games USING (game_date, game_id)
    WHERE complete_games.game_id IS NULL
    GROUP BY gradable.game_date, gradable.system_id
),

candidates AS (
    {candidates}
),

left_out AS (
    SELECT
        candidates.game_date,
        candidates.system_id,
        COUNTIF(candidates.provenance = 'late') AS late_candidates,
        COUNTIF(candidates.provenance = 'unknown') AS unknown_candidates
    FROM candidates
    INNER JOIN complete_games USING (game_date, game_id)
    GROUP BY candidates.game_date, candidates.system_id
),

systems AS (
    SELECT
        game_date,
        system_id
    FROM graded_systems
    UNION DISTINCT
    SELECT
        game_date,
        system_id
    FROM pending_systems
)

SELECT
    systems.game_date,
    systems.system_id,
    COALESCE(graded_systems.graded, 0) + COALESCE(graded_systems.voided, 0) + COALESCE(pending_systems.pending, 0) AS predictions,
    COALESCE(graded_systems.graded, 0) AS graded,
    COALESCE(graded_systems.voided, 0) AS voided,
    COALESCE(pending_systems.pending, 0) AS pending,
    COALESCE(graded_systems.recommendations, 0) AS recommendations,
    COALESCE(graded_systems.correct, 0) AS correct,
    COALESCE(graded_systems.incorrect, 0) AS incorrect,
    COALESCE(graded_systems.pushes, 0) AS pushes,
    COALESCE(graded_systems.graded - graded_systems.correct - graded_systems.incorrect - graded_systems.pushes, 0) AS passes,
    SAFE_DIVIDE(graded_systems.correct, graded_systems.correct + graded_systems.incorrect) AS win_rate,
    graded_systems.mae,
    graded_systems.avg_bias,
    COALESCE(graded_systems.over_count, 0) AS over_count,
    COALESCE(graded_systems.over_correct, 0) AS over_correct,
    COALESCE(graded_systems.over_incorrect, 0) AS over_incorrect,
    SAFE_DIVIDE(graded_systems.over_correct, graded_systems.over_correct + graded_systems.over_incorrect) AS over_win_rate,
    COALESCE(graded_systems.under_count, 0) AS under_count,
    COALESCE(graded_systems.under_correct, 0) AS under_correct,
    COALESCE(graded_systems.under_incorrect, 0) AS under_incorrect,
    SAFE_DIVIDE(graded_systems.under_correct, graded_systems.under_correct + graded_systems.under_incorrect) AS under_win_rate,
    COALESCE(graded_systems.within_3_count, 0) AS within_3_count,
    SAFE_DIVIDE(graded_systems.within_3_count, graded_systems.errors) AS within_3_share,
    COALESCE(graded_systems.within_5_count, 0) AS within_5_count,
    SAFE_DIVIDE(graded_systems.within_5_count, graded_systems.errors) AS within_5_share,
    graded_systems.avg_confidence,
    COALESCE(graded_systems.high_confidence_count, 0) AS high_confidence_count,
    COALESCE(graded_systems.high_confidence_correct, 0) AS high_confidence_correct,
    COALESCE(graded_systems.high_confidence_incorrect, 0) AS high_confidence_incorrect,
    SAFE_DIVIDE(graded_systems.high_confidence_correct, graded_systems.high_confidence_correct + graded_systems.high_confidence_incorrect) AS high_confidence_win_rate,
    COALESCE(left_out.late_candidates, 0) AS late_candidates,
    COALESCE(left_out.unknown_candidates, 0) AS unknown_candidates,
    COALESCE(versions.grades_version, 0) AS grades_version,
    CURRENT_TIMESTAMP() AS computed_at,
    @grading_run_id AS grading_run_id
FROM systems
LEFT JOIN versions USING (game_date)
LEFT JOIN graded_systems USING (game_date, system_id)
LEFT JOIN pending_systems USING (game_date, system_id)
LEFT JOIN left_out USING (game_date, system_id)
