-- One row per system with a grade in the 37 days that end on `day`: its week (the last 7 of them), the band of its daily MAE (the 30 days
-- before the week), and a verdict on each.
-- The band is the mean of the daily MAE, two standard deviations up and down. mae_verdict: no_errors; too_few (fewer than min_errors errors
-- in the week, or fewer than min_days days with an error in the band); above, below or inside.
-- The win rate and its 95 % interval are those of win_rates. win_rate_verdict: no_bets; too_few (fewer than min_player_games player-games
-- with a decided bet); low (the whole interval lies under the target win rate, so chance does not explain it); ok.
-- A void has neither an error nor a verdict; a push, a pass or a bet without a line has no verdict. Duplicate rows are counted.
-- Params: day DATE, win_rate NUMERIC, min_days INT64, min_errors INT64, min_player_games INT64. Text: win_rates
WITH
grades AS (
    SELECT
        system_id,
        game_date,
        game_id,
        player_lookup,
        is_voided,
        absolute_error,
        signed_error,
        prediction_correct,
        game_date > DATE_SUB(@day, INTERVAL 7 DAY) AS is_in_week
    FROM nba_predictions.prediction_accuracy
    WHERE game_date BETWEEN DATE_SUB(@day, INTERVAL 36 DAY) AND @day
),

weeks AS (
    SELECT
        system_id,
        COUNT(DISTINCT IF(is_in_week, game_date, NULL)) AS graded_days,
        COUNTIF(is_in_week) AS predictions,
        COUNTIF(is_in_week AND is_voided) AS voided,
        COUNTIF(is_in_week AND absolute_error IS NOT NULL) AS errors,
        CAST(AVG(IF(is_in_week, absolute_error, NULL)) AS FLOAT64) AS mae,
        CAST(AVG(IF(is_in_week, signed_error, NULL)) AS FLOAT64) AS bias
    FROM grades
    GROUP BY system_id
),

days_before AS (
    SELECT
        system_id,
        game_date,
        CAST(AVG(absolute_error) AS FLOAT64) AS mae
    FROM grades
    WHERE NOT is_in_week AND absolute_error IS NOT NULL
    GROUP BY system_id, game_date
),

bands AS (
    SELECT
        system_id,
        COUNT(*) AS band_days,
        AVG(mae) AS band_mae,
        AVG(mae) - 2 * STDDEV_SAMP(mae) AS band_low,
        AVG(mae) + 2 * STDDEV_SAMP(mae) AS band_high
    FROM days_before
    GROUP BY system_id
),

bets AS (
    SELECT
        system_id,
        0 AS confidence_decile,
        game_date,
        game_id,
        player_lookup,
        prediction_correct
    FROM grades
    WHERE is_in_week AND prediction_correct IS NOT NULL
),

rates AS (
    {win_rates}
)

SELECT
    weeks.system_id,
    weeks.graded_days,
    weeks.predictions,
    weeks.voided,
    weeks.errors,
    weeks.mae,
    weeks.bias,
    COALESCE(bands.band_days, 0) AS band_days,
    bands.band_mae,
    bands.band_low,
    bands.band_high,
    COALESCE(rates.decided, 0) AS decided,
    COALESCE(rates.correct, 0) AS correct,
    COALESCE(rates.player_games, 0) AS player_games,
    rates.effective_bets,
    rates.win_rate,
    rates.win_rate_low,
    rates.win_rate_high,
    -- A billionth of a point of leeway: where every day had the same MAE the band has no width, and a mean is a float.
    CASE
        WHEN weeks.errors = 0 THEN 'no_errors'
        WHEN weeks.errors < @min_errors OR COALESCE(bands.band_days, 0) < @min_days OR bands.band_low IS NULL THEN 'too_few'
        WHEN weeks.mae > bands.band_high + 1e-9 THEN 'above'
        WHEN weeks.mae < bands.band_low - 1e-9 THEN 'below'
        ELSE 'inside'
    END AS mae_verdict,
    CASE
        WHEN rates.decided IS NULL THEN 'no_bets'
        WHEN rates.player_games < @min_player_games THEN 'too_few'
        WHEN rates.win_rate_high < @win_rate THEN 'low'
        ELSE 'ok'
    END AS win_rate_verdict
FROM weeks
LEFT JOIN bands USING (system_id)
LEFT JOIN rates USING (system_id)
ORDER BY weeks.system_id;
