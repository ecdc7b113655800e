-- One row per system, period that ends on one of some dates, and slice of its bets of record: how it did against the line.
-- Read into a staging table. The figures and their formulas: docs/evaluation.md. A figure with nothing to divide by is NULL.
-- Params: game_dates ARRAY<DATE>: the last days, first_date DATE: the first day of the longest period, last_date DATE: the last of the last
-- days, probability_systems ARRAY<STRING>: those whose confidence is a probability of winning, grading_run_id STRING.
-- Text: periods, the SELECT of aggregates/periods_fragment; upper_tails, that of statistics/upper_tails_fragment
WITH
systems AS (
    SELECT
        game_date,
        system_id,
        late_candidates,
        unknown_candidates,
        grades_version
    FROM nba_predictions.system_daily_performance
    WHERE game_date BETWEEN @first_date AND @last_date AND graded + voided > 0
),

date_versions AS (
    SELECT
        game_date,
        MAX(grades_version) AS grades_version
    FROM systems
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
    UNION ALL
    SELECT
        period_end_date,
        'day' AS period_type,
        FORMAT_DATE('%Y-%m-%d', period_end_date) AS period_value,
        period_end_date AS period_start_date
    FROM ends
    WHERE is_graded
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

bets AS (
    SELECT
        *,
        COALESCE(recommendation IN ('OVER', 'UNDER'), FALSE) AS is_bet,
        result IN ('won', 'lost') AS is_decided,
        CASE
            WHEN ABS(edge) < 1 THEN '0-1'
            WHEN ABS(edge) < 2 THEN '1-2'
            WHEN ABS(edge) < 3 THEN '2-3'
            WHEN ABS(edge) < 5 THEN '3-5'
            WHEN edge IS NOT NULL THEN '5+'
        END AS edge_band,
        CASE
            WHEN confidence_score >= NUMERIC '0.70' THEN 'high'
            WHEN confidence_score >= NUMERIC '0.55' THEN 'medium'
            WHEN confidence_score IS NOT NULL THEN 'low'
        END AS confidence_tier,
        CAST(confidence_score AS FLOAT64) AS confidence,
        -- As scikit-learn does, to the smallest step of a double: the logarithm of 0 would make one bet count for everything.
        LEAST(GREATEST(CAST(confidence_score AS FLOAT64), 2.220446049250313e-16), 1 - 2.220446049250313e-16) AS clipped,
        result IN ('won', 'lost') AND confidence_score IS NOT NULL AND system_id IN UNNEST(@probability_systems) AS is_forecast
    FROM nba_predictions.settled_bets
    WHERE game_date BETWEEN @first_date AND @last_date
),

-- Each row once in all, and once in each slice that it belongs to.
sliced AS (
    SELECT
        bets.*,
        slice_type,
        CASE slice_type
            WHEN 'all' THEN 'all'
            WHEN 'edge' THEN bets.edge_band
            WHEN 'direction' THEN IF(bets.is_bet, bets.recommendation, NULL)
            WHEN 'confidence' THEN bets.confidence_tier
        END AS slice_value
    FROM bets
    CROSS JOIN UNNEST(['all', 'edge', 'direction', 'confidence']) AS slice_type
),

-- What a period adds up: the sums of each date, the clusters of the intervals.
days AS (
    SELECT
        game_date,
        system_id,
        slice_type,
        slice_value,
        COUNT(*) AS settled,
        SUM(candidates) AS candidates,
        COUNTIF(provenance = 'before_tip_off') AS before_tip_off,
        COUNTIF(result = 'won') AS won,
        COUNTIF(result = 'lost') AS lost,
        COUNTIF(result = 'push') AS push,
        COUNTIF(result = 'void' AND is_bet) AS void,
        COUNTIF(result = 'no_bet') AS no_bet,
        COUNT(absolute_error) AS errors,
        COALESCE(SUM(absolute_error), 0) AS absolute_error,
        COALESCE(SUM(IF(absolute_error IS NULL, NULL, line_error)), 0) AS line_error,
        COUNTIF(absolute_error < line_error) AS closer,
        COUNTIF(absolute_error = line_error) AS as_close,
        COUNTIF(is_forecast) AS forecasts,
        SUM(IF(is_forecast, POW(clipped - IF(result = 'won', 1, 0), 2), 0)) AS squares,
        SUM(IF(is_forecast, -LN(IF(result = 'won', clipped, 1 - clipped)), 0)) AS losses,
        COUNTIF(is_decided AND price IS NOT NULL) AS priced,
        SUM(COALESCE(profit_at_price, 0)) AS units_at_price,
        COUNTIF(close_status = 'true_close') AS true_closes,
        COUNTIF(close_status = 'stale') AS stale_closes,
        SUM(IF(close_status = 'true_close', clv_points, 0)) AS clv_points,
        COUNTIF(close_status = 'true_close' AND clv_probability IS NOT NULL) AS clv_probabilities,
        SUM(IF(close_status = 'true_close', COALESCE(clv_probability, 0), 0)) AS clv_probability,
        0 AS late_candidates,
        0 AS unknown_candidates
    FROM sliced
    WHERE slice_value IS NOT NULL
    GROUP BY game_date, system_id, slice_type, slice_value
    UNION ALL
    -- What was left out; also of a system with nothing but that.
    SELECT
        game_date,
        system_id,
        'all' AS slice_type,
        'all' AS slice_value,
        0 AS settled,
        0 AS candidates,
        0 AS before_tip_off,
        0 AS won,
        0 AS lost,
        0 AS push,
        0 AS void,
        0 AS no_bet,
        0 AS errors,
        0 AS absolute_error,
        0 AS line_error,
        0 AS closer,
        0 AS as_close,
        0 AS forecasts,
        0.0 AS squares,
        0.0 AS losses,
        0 AS priced,
        0.0 AS units_at_price,
        0 AS true_closes,
        0 AS stale_closes,
        0 AS clv_points,
        0 AS clv_probabilities,
        0.0 AS clv_probability,
        COALESCE(late_candidates, 0) AS late_candidates,
        COALESCE(unknown_candidates, 0) AS unknown_candidates
    FROM systems
),

period_days AS (
    SELECT
        periods.period_end_date,
        periods.period_type,
        days.*,
        SUM(days.won) OVER (PARTITION BY periods.period_end_date, periods.period_type, days.system_id, days.slice_type, days.slice_value) AS all_won,
        SUM(days.won + days.lost) OVER (PARTITION BY periods.period_end_date, periods.period_type, days.system_id, days.slice_type, days.slice_value) AS all_decided,
        SUM(days.absolute_error) OVER (PARTITION BY periods.period_end_date, periods.period_type, days.system_id, days.slice_type, days.slice_value) AS all_absolute_error,
        SUM(days.line_error) OVER (PARTITION BY periods.period_end_date, periods.period_type, days.system_id, days.slice_type, days.slice_value) AS all_line_error,
        SUM(days.won * 100 / 110 - days.lost) OVER (
            PARTITION BY periods.period_end_date, periods.period_type, days.system_id, days.slice_type, days.slice_value
            ORDER BY days.game_date
            RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS running_units
    FROM periods
    INNER JOIN days ON days.game_date BETWEEN periods.period_start_date AND periods.period_end_date
),

peaks AS (
    SELECT
        *,
        GREATEST(0, MAX(running_units) OVER (
            PARTITION BY period_end_date, period_type, system_id, slice_type, slice_value
            ORDER BY game_date
            RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS peak_units
    FROM period_days
),

sums AS (
    SELECT
        period_end_date,
        period_type,
        system_id,
        slice_type,
        slice_value,
        SUM(settled) AS settled,
        SUM(candidates) AS candidates,
        SUM(before_tip_off) AS before_tip_off,
        SUM(late_candidates) AS late_candidates,
        SUM(unknown_candidates) AS unknown_candidates,
        COUNTIF(won + lost > 0) AS days,
        SUM(won + lost + push + void) AS bets,
        SUM(won) AS won,
        SUM(lost) AS lost,
        SUM(push) AS push,
        SUM(void) AS void,
        SUM(no_bet) AS no_bet,
        SUM(won + lost) AS decided,
        MAX(peak_units - running_units) AS max_drawdown,
        SUM(errors) AS errors,
        COUNTIF(errors > 0) AS error_days,
        CAST(SUM(absolute_error) AS FLOAT64) AS absolute_error,
        CAST(SUM(line_error) AS FLOAT64) AS line_error,
        SUM(2 * closer + as_close) / 2 AS closer,
        SUM(forecasts) AS forecasts,
        SUM(squares) AS squares,
        SUM(losses) AS losses,
        SUM(priced) AS priced,
        SUM(units_at_price) AS units_at_price,
        SUM(true_closes) AS true_closes,
        SUM(stale_closes) AS stale_closes,
        CAST(SUM(clv_points) AS FLOAT64) AS clv_points,
        SUM(clv_probabilities) AS clv_probabilities,
        SUM(clv_probability) AS clv_probability,
        -- Of each date what it has won beyond the share of all, in whole numbers, so that it is 0 where the dates do not differ.
        SUM(POW(CAST(won * all_decided - all_won * (won + lost) AS FLOAT64), 2)) AS win_squares,
        SUM(POW(CAST(absolute_error AS FLOAT64) - CAST(line_error AS FLOAT64) * SAFE_DIVIDE(CAST(all_absolute_error AS FLOAT64), CAST(all_line_error AS FLOAT64)), 2)) AS error_squares
    FROM peaks
    GROUP BY period_end_date, period_type, system_id, slice_type, slice_value
),

bins AS (
    SELECT
        periods.period_end_date,
        periods.period_type,
        sliced.system_id,
        sliced.slice_type,
        sliced.slice_value,
        ABS(SUM(sliced.confidence - IF(sliced.result = 'won', 1, 0))) AS gap
    FROM periods
    INNER JOIN sliced ON sliced.game_date BETWEEN periods.period_start_date AND periods.period_end_date
    WHERE sliced.is_forecast AND sliced.slice_value IS NOT NULL
    GROUP BY
        periods.period_end_date, periods.period_type, sliced.system_id, sliced.slice_type, sliced.slice_value,
        LEAST(CAST(FLOOR(sliced.confidence_score * 10) AS INT64), 9)
),

gaps AS (
    SELECT
        period_end_date,
        period_type,
        system_id,
        slice_type,
        slice_value,
        SUM(gap) AS gap
    FROM bins
    GROUP BY period_end_date, period_type, system_id, slice_type, slice_value
),

rates AS (
    SELECT
        *,
        SAFE_DIVIDE(won, decided) AS win_rate,
        won * 100 / 110 - lost AS units,
        IF(days < 2, NULL, SQRT(days / (days - 1) * win_squares) / POW(decided, 2)) AS win_rate_error,
        1 - SAFE_DIVIDE(absolute_error, line_error) AS skill,
        IF(error_days < 2 OR line_error = 0, NULL, SQRT(error_days / (error_days - 1) * error_squares) / line_error) AS skill_error
    FROM sums
),

scores AS (
    SELECT
        *,
        SAFE_DIVIDE(win_rate - 110 / 210, win_rate_error) AS z
    FROM rates
),

tails AS (
    {upper_tails}
),

tests AS (
    SELECT
        *,
        CASE
            WHEN win_rate_error IS NULL THEN NULL
            WHEN win_rate_error > 0 THEN upper_tail
            WHEN win_rate > 110 / 210 THEN 0.0
            WHEN win_rate < 110 / 210 THEN 1.0
            ELSE 0.5
        END AS p_value
    FROM tails
),

-- Benjamini and Hochberg: by rank among the systems of the period and slice, and never more than that of a larger p-value.
placed AS (
    SELECT
        *,
        ROW_NUMBER() OVER (PARTITION BY period_end_date, period_type, slice_type, slice_value ORDER BY p_value IS NULL, p_value, system_id) AS place,
        COUNT(p_value) OVER (PARTITION BY period_end_date, period_type, slice_type, slice_value) AS places
    FROM tests
),

corrected AS (
    SELECT
        *,
        MIN(LEAST(1, p_value * places / place)) OVER (
            PARTITION BY period_end_date, period_type, slice_type, slice_value
            ORDER BY place DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS least_after
    FROM placed
)

SELECT
    CONCAT(
        corrected.system_id, '|', corrected.period_type, '|', period_versions.period_value, '|', corrected.slice_type, '|', corrected.slice_value
    ) AS performance_key,
    corrected.system_id,
    corrected.period_type,
    period_versions.period_value,
    period_versions.period_start_date,
    corrected.period_end_date,
    corrected.slice_type,
    corrected.slice_value,
    corrected.settled,
    corrected.candidates,
    corrected.before_tip_off,
    corrected.late_candidates,
    corrected.unknown_candidates,
    corrected.days,
    corrected.bets,
    corrected.won,
    corrected.lost,
    corrected.push,
    corrected.void,
    corrected.no_bet,
    corrected.win_rate,
    GREATEST(corrected.win_rate - 1.96 * corrected.win_rate_error, 0) AS low,
    LEAST(corrected.win_rate + 1.96 * corrected.win_rate_error, 1) AS high,
    corrected.p_value,
    IF(corrected.p_value IS NULL, NULL, corrected.least_after) AS p_value_corrected,
    corrected.units,
    SAFE_DIVIDE(corrected.units, corrected.decided) AS roi,
    corrected.max_drawdown,
    corrected.errors,
    SAFE_DIVIDE(corrected.absolute_error, corrected.errors) AS mae,
    SAFE_DIVIDE(corrected.line_error, corrected.errors) AS line_mae,
    corrected.skill,
    corrected.skill - 1.96 * corrected.skill_error AS skill_low,
    corrected.skill + 1.96 * corrected.skill_error AS skill_high,
    SAFE_DIVIDE(corrected.closer, corrected.errors) AS closer_share,
    SAFE_DIVIDE(corrected.squares, corrected.forecasts) AS brier,
    SAFE_DIVIDE(corrected.losses, corrected.forecasts) AS log_loss,
    SAFE_DIVIDE(gaps.gap, corrected.forecasts) AS calibration_error,
    corrected.priced,
    IF(corrected.priced > 0, corrected.units_at_price, NULL) AS units_at_price,
    SAFE_DIVIDE(corrected.units_at_price, corrected.priced) AS roi_at_price,
    corrected.true_closes,
    corrected.stale_closes,
    corrected.bets > 0 AND 2 * corrected.true_closes >= corrected.bets AS has_closing_coverage,
    SAFE_DIVIDE(corrected.clv_points, corrected.true_closes) AS clv_points,
    SAFE_DIVIDE(corrected.clv_probability, corrected.clv_probabilities) AS clv_probability,
    period_versions.grades_version,
    CURRENT_TIMESTAMP() AS computed_at,
    @grading_run_id AS grading_run_id
FROM corrected
INNER JOIN period_versions USING (period_end_date, period_type)
LEFT JOIN gaps USING (period_end_date, period_type, system_id, slice_type, slice_value)
