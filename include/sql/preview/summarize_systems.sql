-- One row per system and side, stored and staged: the sums from which its mean error, bias and win rate on some dates follow.
-- Params: game_dates ARRAY<DATE>. Identifiers: staging
WITH grades AS (
    SELECT
        'stored' AS side,
        system_id,
        absolute_error,
        signed_error,
        prediction_correct
    FROM nba_predictions.prediction_accuracy
    WHERE game_date IN UNNEST(@game_dates)
    UNION ALL
    SELECT
        'staged' AS side,
        system_id,
        absolute_error,
        signed_error,
        prediction_correct
    FROM {staging}
)

SELECT
    system_id,
    side,
    COUNT(*) AS grades,
    COUNT(absolute_error) AS errors,
    COALESCE(SUM(absolute_error), 0) AS absolute_error,
    COALESCE(SUM(signed_error), 0) AS signed_error,
    COUNTIF(prediction_correct) AS correct,
    COUNTIF(NOT prediction_correct) AS incorrect
FROM grades
GROUP BY system_id, side
ORDER BY system_id, side;
