-- One row per slice of every period that ends on one of some dates: systems, by all players and each, by all confidences and each tier.
-- Read into a staging table. A rate with nothing to divide by is NULL; a grade without a confidence is in no tier.
-- Params: game_dates ARRAY<DATE>: the last days, first_date DATE: the first day of the longest period, last_date DATE: the last of the last
-- days, grading_run_id STRING. Text: periods, the SELECT of aggregates/periods_fragment
WITH
days AS (
    SELECT *
    FROM nba_predictions.player_daily_performance
    WHERE game_date BETWEEN @first_date AND @last_date
),

date_versions AS (
    SELECT
        game_date,
        MAX(grades_version) AS grades_version
    FROM days
    GROUP BY game_date
),

ends AS (
    SELECT
        period_end_date,
        date_versions.game_date IS NOT NULL AS is_graded
    FROM UNNEST(@game_dates) AS period_end_date
    LEFT JOIN date_versions ON period_end_date = date_versions.game_date
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
        periods.period_end_date,
        periods.period_type,
        days.system_id,
        IF(GROUPING(days.player_lookup) = 1, '*', days.player_lookup) AS player_lookup,
        IF(GROUPING(days.confidence_tier) = 1, '*', days.confidence_tier) AS confidence_tier,
        SUM(days.predictions) AS predictions,
        SUM(days.voided) AS voided,
        SUM(days.hits) AS hits,
        SUM(days.misses) AS misses,
        SUM(days.over_hits) AS over_hits,
        SUM(days.over_misses) AS over_misses,
        SAFE_DIVIDE(SUM(days.absolute_error), SUM(days.errors)) AS mae,
        SAFE_DIVIDE(SUM(days.signed_error), SUM(days.errors)) AS bias,
        COUNT(DISTINCT days.player_lookup) AS unique_players,
        COUNT(DISTINCT days.game_id) AS unique_games
    FROM periods
    INNER JOIN days ON days.game_date BETWEEN periods.period_start_date AND periods.period_end_date
    GROUP BY GROUPING SETS (
        (periods.period_end_date, periods.period_type, days.system_id),
        (periods.period_end_date, periods.period_type, days.system_id, days.player_lookup),
        (periods.period_end_date, periods.period_type, days.system_id, days.confidence_tier),
        (periods.period_end_date, periods.period_type, days.system_id, days.player_lookup, days.confidence_tier)
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
    slices.period_end_date,
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
INNER JOIN period_versions USING (period_end_date, period_type)
WHERE slices.confidence_tier IS NOT NULL
