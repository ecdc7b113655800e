-- One row per slice of `bets` (system_id STRING, confidence_decile INT64, game_date DATE, is_won BOOL, not NULL), which the enclosing
-- statement defines: its win rate p = won / n, and the 95 % interval clustered by date. With won_d and n_d of each of the G dates the
-- variance is G / (G - 1) * sum((won_d - p * n_d)^2) / n^2: bets of one night share games, news and injuries. NULL for a single date.
-- Params: none
WITH
days AS (
    SELECT
        system_id,
        confidence_decile,
        COUNT(*) AS day_decided,
        COUNTIF(is_won) AS day_won,
        SUM(COUNT(*)) OVER (PARTITION BY system_id, confidence_decile) AS decided,
        SUM(COUNTIF(is_won)) OVER (PARTITION BY system_id, confidence_decile) AS won
    FROM bets
    GROUP BY system_id, confidence_decile, game_date
),

errors AS (
    SELECT
        system_id,
        confidence_decile,
        decided,
        won,
        COUNT(*) AS bet_days,
        won / decided AS win_rate,
        -- In whole numbers inside the square, so that it is 0 where the dates do not differ.
        IF(COUNT(*) < 2, NULL, SQRT(COUNT(*) / (COUNT(*) - 1) * SUM(POW(CAST(day_won * decided - won * day_decided AS FLOAT64), 2))) / POW(decided, 2)) AS win_rate_error
    FROM days
    GROUP BY system_id, confidence_decile, decided, won
)

SELECT
    *,
    GREATEST(win_rate - 1.96 * win_rate_error, 0) AS win_rate_low,
    LEAST(win_rate + 1.96 * win_rate_error, 1) AS win_rate_high
FROM errors
