-- One row per system with a bet of record in the 37 days that end on `day`: its week (the last 7 of them), the band of its daily MAE (the 30
-- days before the week), and a verdict on each.
-- The band is the mean of the daily MAE, two standard deviations up and down. mae_verdict: no_errors; too_few (fewer than min_errors errors
-- in the week, or fewer than min_days days with an error in the band); above, below or inside.
-- The standard deviation of the signed errors has a band and a verdict of the same kind, of days with two errors or more.
-- The win rate and its 95 % interval are those of clustered_rates. win_rate_verdict: no_bets; too_few (fewer than min_bets decided bets, or
-- than min_bet_days dates of them); low (lower than the target beyond chance: the one-sided p-value, corrected for the number of systems that
-- are judged by Benjamini and Hochberg, is at most max_p_value); ok.
-- A void has neither an error nor a verdict; a push or a row without a bet has no verdict.
-- Params: day DATE, win_rate NUMERIC, min_days INT64, min_errors INT64, min_bets INT64, min_bet_days INT64, max_p_value NUMERIC.
-- Text: clustered_rates and upper_tails, the SELECTs of those fragments of statistics
WITH
settled AS (
    SELECT
        *,
        IF(absolute_error IS NULL, NULL, CAST(predicted_points - actual_points AS FLOAT64)) AS signed_error,
        game_date > DATE_SUB(@day, INTERVAL 7 DAY) AS is_in_week
    FROM nba_predictions.settled_bets
    WHERE game_date BETWEEN DATE_SUB(@day, INTERVAL 36 DAY) AND @day
),

weeks AS (
    SELECT
        system_id,
        COUNT(DISTINCT IF(is_in_week, game_date, NULL)) AS graded_days,
        COUNTIF(is_in_week) AS settled,
        COUNTIF(is_in_week AND result = 'void') AS voided,
        COUNTIF(is_in_week AND absolute_error IS NOT NULL) AS errors,
        CAST(AVG(IF(is_in_week, absolute_error, NULL)) AS FLOAT64) AS mae,
        CAST(AVG(IF(is_in_week AND absolute_error IS NOT NULL, line_error, NULL)) AS FLOAT64) AS line_mae,
        AVG(IF(is_in_week, signed_error, NULL)) AS bias,
        STDDEV_SAMP(IF(is_in_week, signed_error, NULL)) AS deviation
    FROM settled
    GROUP BY system_id
),

days_before AS (
    SELECT
        system_id,
        game_date,
        CAST(AVG(absolute_error) AS FLOAT64) AS mae,
        STDDEV_SAMP(signed_error) AS deviation
    FROM settled
    WHERE NOT is_in_week AND absolute_error IS NOT NULL
    GROUP BY system_id, game_date
),

bands AS (
    SELECT
        system_id,
        COUNT(*) AS band_days,
        AVG(mae) AS band_mae,
        AVG(mae) - 2 * STDDEV_SAMP(mae) AS band_low,
        AVG(mae) + 2 * STDDEV_SAMP(mae) AS band_high,
        COUNT(deviation) AS deviation_days,
        AVG(deviation) - 2 * STDDEV_SAMP(deviation) AS deviation_low,
        AVG(deviation) + 2 * STDDEV_SAMP(deviation) AS deviation_high
    FROM days_before
    GROUP BY system_id
),

bets AS (
    SELECT
        system_id,
        0 AS confidence_decile,
        game_date,
        result = 'won' AS is_won
    FROM settled
    WHERE is_in_week AND result IN ('won', 'lost')
),

rates AS (
    {clustered_rates}
),

scores AS (
    SELECT
        *,
        decided >= @min_bets AND bet_days >= GREATEST(@min_bet_days, 2) AS is_judged,
        SAFE_DIVIDE(CAST(@win_rate AS FLOAT64) - win_rate, win_rate_error) AS z
    FROM rates
),

tails AS (
    {upper_tails}
),

tests AS (
    SELECT
        *,
        CASE
            WHEN NOT is_judged THEN NULL
            WHEN win_rate_error > 0 THEN upper_tail
            WHEN win_rate < CAST(@win_rate AS FLOAT64) THEN 0.0
            ELSE 1.0
        END AS p_value
    FROM tails
),

placed AS (
    SELECT
        *,
        ROW_NUMBER() OVER (ORDER BY p_value IS NULL, p_value, system_id) AS place,
        COUNT(p_value) OVER () AS places
    FROM tests
),

judged AS (
    SELECT
        *,
        IF(p_value IS NULL, NULL, MIN(LEAST(1, p_value * places / place)) OVER (
            ORDER BY place DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS low_p_value
    FROM placed
)

SELECT
    weeks.system_id,
    weeks.graded_days,
    weeks.settled,
    weeks.voided,
    weeks.errors,
    weeks.mae,
    weeks.line_mae,
    weeks.bias,
    COALESCE(bands.band_days, 0) AS band_days,
    bands.band_mae,
    bands.band_low,
    bands.band_high,
    weeks.deviation,
    bands.deviation_low,
    bands.deviation_high,
    COALESCE(judged.decided, 0) AS decided,
    COALESCE(judged.won, 0) AS won,
    COALESCE(judged.bet_days, 0) AS bet_days,
    judged.win_rate,
    judged.win_rate_low,
    judged.win_rate_high,
    judged.low_p_value,
    -- A billionth of a point of leeway: where every day had the same MAE the band has no width, and a mean is a float.
    CASE
        WHEN weeks.errors = 0 THEN 'no_errors'
        WHEN weeks.errors < @min_errors OR COALESCE(bands.band_days, 0) < @min_days OR bands.band_low IS NULL THEN 'too_few'
        WHEN weeks.mae > bands.band_high + 1e-9 THEN 'above'
        WHEN weeks.mae < bands.band_low - 1e-9 THEN 'below'
        ELSE 'inside'
    END AS mae_verdict,
    CASE
        WHEN weeks.errors = 0 THEN 'no_errors'
        WHEN weeks.errors < @min_errors OR COALESCE(bands.deviation_days, 0) < @min_days OR bands.deviation_low IS NULL THEN 'too_few'
        WHEN weeks.deviation > bands.deviation_high + 1e-9 THEN 'above'
        WHEN weeks.deviation < bands.deviation_low - 1e-9 THEN 'below'
        ELSE 'inside'
    END AS deviation_verdict,
    CASE
        WHEN judged.decided IS NULL THEN 'no_bets'
        WHEN NOT judged.is_judged THEN 'too_few'
        WHEN judged.low_p_value <= CAST(@max_p_value AS FLOAT64) THEN 'low'
        ELSE 'ok'
    END AS win_rate_verdict
FROM weeks
LEFT JOIN bands USING (system_id)
LEFT JOIN judged USING (system_id)
ORDER BY weeks.system_id;
