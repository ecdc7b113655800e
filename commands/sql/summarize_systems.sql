-- One row per system over all grades: mean absolute error, bias and win rate; NULL where there is nothing to divide by.
-- Params: none
SELECT
    system_id,
    COUNTIF(NOT is_voided) AS graded,
    COUNTIF(is_voided) AS voided,
    COUNTIF(prediction_correct) AS correct,
    COUNTIF(NOT prediction_correct) AS incorrect,
    AVG(absolute_error) AS mae,
    AVG(signed_error) AS bias,
    SAFE_DIVIDE(COUNTIF(prediction_correct), COUNTIF(prediction_correct IS NOT NULL)) AS win_rate
FROM nba_predictions.prediction_accuracy
WHERE game_date >= DATE '1970-01-01'
GROUP BY system_id
ORDER BY mae;
