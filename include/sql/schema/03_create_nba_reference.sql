-- The dataset of what is known of games beforehand: optional, empty tables change nothing. Created once, left alone when it is there.
CREATE SCHEMA IF NOT EXISTS nba_reference
OPTIONS (description = 'Optional input: the games and when they tip off')
