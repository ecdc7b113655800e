-- One row per system and confidence of its decided bets of record in the 60 days that end on `day`: how many there are and how many of
-- them were won, those of the last 14 days, which are held out, and the others apart.
-- Params: day DATE, systems ARRAY<STRING>
WITH bets AS (
    SELECT
        system_id,
        CAST(confidence_score AS FLOAT64) AS confidence,
        game_date > DATE_SUB(@day, INTERVAL 14 DAY) AS is_held_out,
        result
    FROM nba_predictions.settled_bets
    WHERE
        game_date > DATE_SUB(@day, INTERVAL 60 DAY)
        AND game_date <= @day
        AND system_id IN UNNEST(@systems)
        AND result IN ('won', 'lost')
        AND confidence_score IS NOT NULL
)

SELECT
    system_id,
    confidence,
    is_held_out,
    COUNT(*) AS bets,
    COUNTIF(result = 'won') AS won
FROM bets
GROUP BY system_id, confidence, is_held_out
ORDER BY system_id, is_held_out, confidence;
