-- Duplicates predictions of one date, an hour newer, as two merges did.
-- Params: game_date DATE, surplus INT64
INSERT INTO nba_predictions.player_prop_predictions
SELECT
    * EXCEPT (n)
    REPLACE (TIMESTAMP_ADD(created_at, INTERVAL 1 HOUR) AS created_at, CONCAT(prediction_id, '-again') AS prediction_id)
FROM (
    SELECT
        *,
        ROW_NUMBER() OVER (ORDER BY player_lookup, game_id, system_id, current_points_line) AS n
    FROM nba_predictions.player_prop_predictions
    WHERE game_date = @game_date
) AS numbered
WHERE n <= @surplus;
