-- The first half of the recipe that this project replaces; the proofs run it to show what it does.
-- Params: game_date DATE
DELETE FROM nba_predictions.prediction_accuracy WHERE game_date = @game_date;
