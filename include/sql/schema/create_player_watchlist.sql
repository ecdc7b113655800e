-- One row per system and player that is on the watchlist of a day, or left it that day (docs/evaluation.md). Business key (as_of, system_id,
-- player_lookup). Advice for people and predicting systems; nothing in this project filters by it.
CREATE TABLE IF NOT EXISTS nba_predictions.player_watchlist (
    as_of DATE NOT NULL OPTIONS (description = 'Last of the 90 days that were looked at; the partition'),
    system_id STRING NOT NULL OPTIONS (description = 'Predicting system'),
    player_lookup STRING NOT NULL OPTIONS (description = 'Player'),
    since DATE OPTIONS (description = 'as_of of the list that the player entered'),
    until DATE OPTIONS (description = 'as_of of the list that the player left; NULL while listed'),
    decided INT64 OPTIONS (description = 'Decided bets of record in the 90 days'),
    won INT64 OPTIONS (description = 'Those that were won'),
    win_rate FLOAT64 OPTIONS (description = 'won / decided'),
    shrunk_win_rate FLOAT64 OPTIONS (description = 'Mean of the posterior: shrunk towards the win rate of the system'),
    probability FLOAT64 OPTIONS (description = 'Posterior probability of a win rate under 47.6 %'),
    reason STRING OPTIONS (description = 'The same in a sentence'),
    computed_at TIMESTAMP OPTIONS (description = 'When the bets were read'),
    grading_run_id STRING OPTIONS (description = 'The row of grading_runs that wrote this'),
    fencing_token INT64 OPTIONS (description = 'Token of the lease under which this was written')
)
PARTITION BY as_of
OPTIONS (require_partition_filter = TRUE, description = 'Players on whom a system loses beyond chance, a list each week; written only through the fenced publish');
