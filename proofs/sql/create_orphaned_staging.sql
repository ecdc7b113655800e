-- The staging table of one prediction worker whose batch was merged and never cleaned up.
-- Identifiers: staging. Literals: game_date, worker, workers
CREATE TABLE {staging} AS
SELECT *
FROM nba_predictions.player_prop_predictions
WHERE game_date = {game_date} AND MOD(CAST(SUBSTR(prediction_id, 9) AS INT64), {workers}) = {worker};
