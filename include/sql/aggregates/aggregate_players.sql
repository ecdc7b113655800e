-- One row per date, system, player, game and confidence tier with a grade: its counts and sums, from which every period is added up.
-- Read into a staging table. A grade without a confidence is in no tier: its tier is NULL.
-- Params: game_dates ARRAY<DATE>, grading_run_id STRING
WITH
grades AS (
    SELECT
        *,
        CASE
            WHEN confidence_score >= NUMERIC '0.70' THEN 'high'
            WHEN confidence_score >= NUMERIC '0.55' THEN 'medium'
            WHEN confidence_score IS NOT NULL THEN 'low'
        END AS confidence_tier
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

players AS (
    SELECT
        game_date,
        system_id,
        player_lookup,
        game_id,
        confidence_tier,
        COUNT(*) AS predictions,
        COUNTIF(is_voided) AS voided,
        COUNTIF(prediction_correct) AS hits,
        COUNTIF(NOT prediction_correct) AS misses,
        COUNTIF(recommendation = 'OVER' AND prediction_correct) AS over_hits,
        COUNTIF(recommendation = 'OVER' AND NOT prediction_correct) AS over_misses,
        COUNT(absolute_error) AS errors,
        SUM(absolute_error) AS absolute_error,
        SUM(signed_error) AS signed_error
    FROM grades
    GROUP BY game_date, system_id, player_lookup, game_id, confidence_tier
)

SELECT
    players.*,
    COALESCE(versions.grades_version, 0) AS grades_version,
    CURRENT_TIMESTAMP() AS computed_at,
    @grading_run_id AS grading_run_id
FROM players
LEFT JOIN versions USING (game_date)
