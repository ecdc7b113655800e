-- One row per slice of every period that ends on a date: systems, by all players and each, by all confidences and each tier.
-- Read into a staging table. A rate with nothing to divide by is NULL; a grade without a confidence is in no tier.
-- Params: period_end_date DATE, grading_run_id STRING. Text: periods, the SELECT of aggregates/periods_fragment
WITH
-- No period is longer than a season, and but for the season none is longer than a month of 31 days.
grades AS (
    SELECT
        *,
        CASE
            WHEN confidence_score >= NUMERIC '0.70' THEN 'high'
            WHEN confidence_score >= NUMERIC '0.55' THEN 'medium'
            WHEN confidence_score IS NOT NULL THEN 'low'
        END AS tier
    FROM nba_predictions.prediction_accuracy
    WHERE
        game_date <= @period_end_date
        AND game_date > IF(
            EXTRACT(MONTH FROM @period_end_date) = 9 AND EXTRACT(DAY FROM @period_end_date) = 30,
            DATE_SUB(@period_end_date, INTERVAL 1 YEAR),
            DATE_SUB(@period_end_date, INTERVAL 31 DAY)
        )
),

date_versions AS (
    SELECT
        game_date,
        UNIX_MICROS(MAX(graded_at)) AS grades_version
    FROM grades
    GROUP BY game_date
),

ends AS (
    SELECT
        @period_end_date AS period_end_date,
        COALESCE(MAX(game_date) = @period_end_date, FALSE) AS is_graded
    FROM date_versions
),

periods AS (
    {periods}
),

period_versions AS (
    SELECT
        periods.period_end_date,
        periods.period_type,
        periods.period_value,
        periods.period_start_date,
        SUM(date_versions.grades_version) AS grades_version
    FROM periods
    INNER JOIN date_versions ON date_versions.game_date BETWEEN periods.period_start_date AND periods.period_end_date
    GROUP BY periods.period_end_date, periods.period_type, periods.period_value, periods.period_start_date
),

slices AS (
    SELECT
        periods.period_type,
        grades.system_id,
        IF(GROUPING(grades.player_lookup) = 1, '*', grades.player_lookup) AS player_lookup,
        IF(GROUPING(grades.tier) = 1, '*', grades.tier) AS confidence_tier,
        COUNT(*) AS predictions,
        COUNTIF(grades.is_voided) AS voided,
        COUNTIF(grades.prediction_correct) AS hits,
        COUNTIF(NOT grades.prediction_correct) AS misses,
        COUNTIF(grades.recommendation = 'OVER' AND grades.prediction_correct) AS over_hits,
        COUNTIF(grades.recommendation = 'OVER' AND NOT grades.prediction_correct) AS over_misses,
        AVG(grades.absolute_error) AS mae,
        AVG(grades.signed_error) AS bias,
        COUNT(DISTINCT grades.player_lookup) AS unique_players,
        COUNT(DISTINCT grades.game_id) AS unique_games
    FROM periods
    INNER JOIN grades ON grades.game_date BETWEEN periods.period_start_date AND periods.period_end_date
    GROUP BY GROUPING SETS (
        (periods.period_type, grades.system_id),
        (periods.period_type, grades.system_id, grades.player_lookup),
        (periods.period_type, grades.system_id, grades.tier),
        (periods.period_type, grades.system_id, grades.player_lookup, grades.tier)
    )
)

SELECT
    CONCAT(
        slices.system_id, '|', slices.period_type, '|', period_versions.period_value, '|', slices.player_lookup, '|', slices.confidence_tier
    ) AS summary_key,
    slices.system_id,
    slices.period_type,
    period_versions.period_value,
    period_versions.period_start_date,
    period_versions.period_end_date,
    slices.player_lookup,
    slices.confidence_tier,
    slices.predictions,
    slices.voided,
    slices.hits,
    slices.misses,
    SAFE_DIVIDE(slices.hits, slices.hits + slices.misses) AS hit_rate,
    SAFE_DIVIDE(slices.over_hits, slices.over_hits + slices.over_misses) AS over_hit_rate,
    SAFE_DIVIDE(slices.hits - slices.over_hits, slices.hits + slices.misses - slices.over_hits - slices.over_misses) AS under_hit_rate,
    slices.mae,
    slices.bias,
    slices.unique_players,
    slices.unique_games,
    period_versions.grades_version,
    CURRENT_TIMESTAMP() AS computed_at,
    @grading_run_id AS grading_run_id
FROM slices
INNER JOIN period_versions USING (period_type)
WHERE slices.confidence_tier IS NOT NULL
