-- The dataset of sportsbooks' prices: optional, empty tables change nothing. Created once, left alone when it is there.
CREATE SCHEMA IF NOT EXISTS nba_odds
OPTIONS (description = 'Optional input: prices of player props as sportsbooks offered them')
