-- One row per player and game that the box score knows; business key (game_id, player_lookup).
-- NUMERIC(38, 9) is NUMERIC written out: the emulator keeps three decimals in a bare one.
CREATE TABLE IF NOT EXISTS nba_box_scores.player_game_summary (
    player_lookup STRING NOT NULL OPTIONS (description = 'Normalised player name; part of the business key'),
    game_id STRING NOT NULL OPTIONS (description = 'Game; part of the business key'),
    game_date DATE NOT NULL OPTIONS (description = 'Date of the game in New York; the partition'),
    team_abbr STRING OPTIONS (description = 'Team of the player'),
    opponent_team_abbr STRING OPTIONS (description = 'Team played against'),
    points INT64 OPTIONS (description = 'Points scored; NULL when the player did not play'),
    minutes_played NUMERIC(38, 9) OPTIONS (description = 'Minutes played; some sources round to whole minutes'),
    is_dnp BOOL OPTIONS (description = 'TRUE when the box score says did not play'),
    updated_at TIMESTAMP OPTIONS (description = 'When the row was last corrected')
)
PARTITION BY game_date
CLUSTER BY player_lookup
OPTIONS (require_partition_filter = TRUE, description = 'Input: box scores, one row per player and game');
