-- Deletes a date: the first half of the replaced recipe, run by the proofs to show its faults.
-- Params: game_date DATE
DELETE FROM nba_predictions.prediction_accuracy WHERE game_date = @game_date;
