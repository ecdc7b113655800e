-- One row per system and confidence decile with a decided bet in the 7 days that end on `day`: their number and mean confidence, and the
-- share that was right, with the 95 % interval of win_rates. is_off: the mean confidence lies outside the interval, and there are enough
-- player-games to say so. A bet without a confidence is in no decile.
-- Params: day DATE, min_player_games INT64. Text: win_rates
WITH
bets AS (
    SELECT
        system_id,
        confidence_decile,
        confidence_score,
        game_date,
        game_id,
        player_lookup,
        prediction_correct
    FROM nba_predictions.prediction_accuracy
    WHERE
        game_date > DATE_SUB(@day, INTERVAL 7 DAY)
        AND game_date <= @day
        AND prediction_correct IS NOT NULL
        AND confidence_decile IS NOT NULL
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
    {win_rates}
)

SELECT
    rates.system_id,
    rates.confidence_decile,
    rates.decided,
    rates.player_games,
    rates.effective_bets,
    confidences.mean_confidence,
    rates.win_rate,
    rates.win_rate_low,
    rates.win_rate_high,
    rates.player_games >= @min_player_games
    AND (confidences.mean_confidence < rates.win_rate_low OR confidences.mean_confidence > rates.win_rate_high) AS is_off
FROM rates
INNER JOIN confidences USING (system_id, confidence_decile)
ORDER BY rates.system_id, rates.confidence_decile;
