-- One row per system and confidence decile with a decided bet of record in the 7 days that end on `day`: their number and mean confidence, and
-- the share that was won, with its 95 % interval clustered by date. is_off: the mean confidence lies outside the interval, and there are
-- enough bets to say so. A bet without a confidence is in no decile.
-- Params: day DATE, min_bets INT64. Text: clustered_rates, the SELECT of statistics/clustered_rates_fragment
WITH
bets AS (
    SELECT
        system_id,
        confidence_score,
        game_date,
        LEAST(CAST(FLOOR(confidence_score * 10) AS INT64) + 1, 10) AS confidence_decile,
        result = 'won' AS is_won
    FROM nba_predictions.settled_bets
    WHERE
        game_date > DATE_SUB(@day, INTERVAL 7 DAY)
        AND game_date <= @day
        AND result IN ('won', 'lost')
        AND confidence_score IS NOT NULL
),

confidences AS (
    SELECT
        system_id,
        confidence_decile,
        CAST(AVG(confidence_score) AS FLOAT64) AS mean_confidence
    FROM bets
    GROUP BY system_id, confidence_decile
),

rates AS (
    {clustered_rates}
)

SELECT
    rates.system_id,
    rates.confidence_decile,
    rates.decided,
    confidences.mean_confidence,
    rates.win_rate,
    rates.win_rate_low,
    rates.win_rate_high,
    COALESCE(
        rates.decided >= @min_bets
        AND (confidences.mean_confidence < rates.win_rate_low OR confidences.mean_confidence > rates.win_rate_high),
        FALSE
    ) AS is_off
FROM rates
INNER JOIN confidences USING (system_id, confidence_decile)
ORDER BY rates.system_id, rates.confidence_decile;
