-- The systems and players with predictions on a date.
-- Params: game_date DATE
SELECT DISTINCT
    system_id,
    player_lookup
FROM nba_predictions.player_prop_predictions
WHERE game_date = @game_date
ORDER BY system_id, player_lookup;
