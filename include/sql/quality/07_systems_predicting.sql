-- title: Systems that predicted games of the last 3 days.
-- unit: systems
-- warn_below: 6
-- needs_games: yes
-- next_step: Find the missing system, and ask its owner.
-- runbook: data-quality
-- Params: day DATE
SELECT
    COUNT(DISTINCT system_id) AS value,
    STRING_AGG(DISTINCT system_id, ', ' ORDER BY system_id) AS detail
FROM nba_predictions.player_prop_predictions
WHERE game_date BETWEEN CAST(DATE_SUB(@day, INTERVAL 2 DAY) AS DATE) AND @day AND is_active IS NOT FALSE;
