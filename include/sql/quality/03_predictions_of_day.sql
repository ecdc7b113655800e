-- title: Predictions of the day.
-- unit: predictions
-- warn_below: 300
-- warn_above: 10000
-- needs_games: yes
-- next_step: Find the system whose volume changed (Grading page, Volume per system), and ask its owner.
-- runbook: data-quality
-- Params: day DATE
SELECT
    COUNT(*) AS value,
    CONCAT('of ', CAST(COUNT(DISTINCT system_id) AS STRING), ' systems, on ', CAST(COUNT(DISTINCT game_id) AS STRING), ' games') AS detail
FROM nba_predictions.player_prop_predictions
WHERE game_date = @day AND is_active IS NOT FALSE;
