-- One row per system and player of the newest watchlist since a day, those that left it on its day included; surest first.
-- Params: since DATE
SELECT
    as_of,
    system_id,
    player_lookup,
    since,
    until,
    decided,
    won,
    probability,
    reason
FROM nba_predictions.player_watchlist
WHERE as_of >= @since
QUALIFY RANK() OVER (ORDER BY as_of DESC) = 1
ORDER BY probability DESC, system_id ASC, player_lookup ASC;
