-- One row per system and confidence decile of a range's decided bets of record: how many, their mean confidence, and how many were won.
-- Params: first DATE, last DATE
WITH bets AS (
    SELECT
        system_id,
        confidence_score,
        LEAST(CAST(FLOOR(confidence_score * 10) AS INT64) + 1, 10) AS confidence_decile,
        result
    FROM nba_predictions.settled_bets
    WHERE game_date BETWEEN @first AND @last AND result IN ('won', 'lost') AND confidence_score IS NOT NULL
)

SELECT
    system_id,
    confidence_decile,
    COUNT(*) AS bets,
    COUNTIF(result = 'won') AS won,
    CAST(AVG(confidence_score) AS FLOAT64) AS mean_confidence
FROM bets
GROUP BY system_id, confidence_decile
ORDER BY system_id, confidence_decile;
