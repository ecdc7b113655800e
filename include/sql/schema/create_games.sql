-- One row per game; business key game_id. Optional: without a game's tip-off, the end of its date in New York bounds what was made in time.
CREATE TABLE IF NOT EXISTS nba_reference.games (
    game_id STRING NOT NULL OPTIONS (description = 'Game; the business key'),
    game_date DATE NOT NULL OPTIONS (description = 'Date of the game in New York; the partition'),
    tip_off_at TIMESTAMP OPTIONS (description = 'When the game began, or is to begin; of several rows the earliest counts'),
    status STRING OPTIONS (description = 'What the source says of the game; kept for people, no rule reads it')
)
PARTITION BY game_date
OPTIONS (require_partition_filter = TRUE, description = 'Optional input: games and their tip-off');
