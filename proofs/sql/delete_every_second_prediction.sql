-- Keeps half of the synthetic predictions of a date, so that a batch of all of them brings new keys and newer values.
-- Params: game_date DATE
DELETE FROM nba_predictions.player_prop_predictions
WHERE game_date = @game_date AND MOD(CAST(SUBSTR(prediction_id, 9) AS INT64), 2) = 1;
