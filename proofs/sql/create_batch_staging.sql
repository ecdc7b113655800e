-- The staging table of one prediction worker: its share of a date's predictions, made an hour later and a point higher.
-- Identifiers: staging. Literals: game_date, worker, workers
CREATE TABLE {staging} AS
SELECT * REPLACE (TIMESTAMP_ADD(created_at, INTERVAL 1 HOUR) AS created_at, predicted_points + 1 AS predicted_points)
FROM nba_predictions.player_prop_predictions
WHERE game_date = {game_date} AND MOD(CAST(SUBSTR(prediction_id, 9) AS INT64), {workers}) = {worker};
