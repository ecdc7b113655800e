-- One row per offer that was captured: a sportsbook's line on a player's points, and the price of each side of it.
-- Business key (game_id, player_lookup, sportsbook, line, captured_at).
-- NUMERIC(38, 9) is NUMERIC written out: the emulator keeps three decimals in a bare one.
CREATE TABLE IF NOT EXISTS nba_odds.prop_lines (
    game_id STRING NOT NULL OPTIONS (description = 'Game; part of the business key'),
    player_lookup STRING NOT NULL OPTIONS (description = 'Normalised player name; part of the business key'),
    sportsbook STRING NOT NULL OPTIONS (description = 'Sportsbook as the predictions name it; part of the business key'),
    line NUMERIC(38, 9) NOT NULL OPTIONS (description = 'Line in points; part of the business key'),
    over_price INT64 OPTIONS (description = 'American odds of OVER: -110, +100; NULL if it was not offered'),
    under_price INT64 OPTIONS (description = 'American odds of UNDER'),
    captured_at TIMESTAMP NOT NULL OPTIONS (description = 'When it was offered; its date in UTC is the partition')
)
PARTITION BY DATE(captured_at)
CLUSTER BY game_id, player_lookup
OPTIONS (require_partition_filter = TRUE, description = 'Optional input: lines and prices of player props over time');
