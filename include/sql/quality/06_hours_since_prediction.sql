-- title: Hours since the newest prediction for games of the last 8 and the next 14 days.
-- unit: hours
-- warn_above: 30
-- fail_above: 48
-- needs_games: yes
-- next_step: Check whether the prediction workers ran, and whether their staging tables still wait for consolidation.
-- runbook: data-quality
-- Params: day DATE, as_of TIMESTAMP
SELECT
    COALESCE(ROUND(CAST(TIMESTAMP_DIFF(@as_of, MAX(created_at), SECOND) AS NUMERIC(38, 9)) / 3600, 1), 24 * 8) AS value,
    COALESCE(CONCAT('newest at ', FORMAT_TIMESTAMP('%Y-%m-%d %H:%M', MAX(created_at)), ' UTC'), 'none in these days') AS detail
FROM nba_predictions.player_prop_predictions
WHERE
    game_date BETWEEN CAST(DATE_SUB(@day, INTERVAL 7 DAY) AS DATE) AND CAST(DATE_ADD(@day, INTERVAL 14 DAY) AS DATE)
    AND created_at <= @as_of;
