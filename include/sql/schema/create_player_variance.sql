-- One row per player and measure of a day: how far their points, or a system's errors on them, spread (docs/evaluation.md). Business key
-- (as_of, player_lookup, measure, system_id).
CREATE TABLE IF NOT EXISTS nba_predictions.player_variance (
    as_of DATE NOT NULL OPTIONS (description = 'Last day of the games that were looked at; the partition'),
    player_lookup STRING NOT NULL OPTIONS (description = 'Player'),
    measure STRING NOT NULL OPTIONS (description = 'points, or error: predicted - actual'),
    system_id STRING NOT NULL OPTIONS (description = 'Predicting system of the errors; * for points'),
    scoring_level STRING OPTIONS (description = 'By the mean of the points of those games: 0-5, 5-10, 10-15, 15-20 or 20+'),
    games INT64 OPTIONS (description = 'The last games played, at most 20'),
    deviation FLOAT64 OPTIONS (description = 'Standard deviation over those games, in points'),
    level_deviation FLOAT64 OPTIONS (description = 'Median of the deviations of the players of that level'),
    level_p95 FLOAT64 OPTIONS (description = '95th percentile of them'),
    high_variance BOOL OPTIONS (description = 'Whether the deviation is over the 95th percentile'),
    computed_at TIMESTAMP OPTIONS (description = 'When the games were read'),
    grading_run_id STRING OPTIONS (description = 'The row of grading_runs that wrote this'),
    fencing_token INT64 OPTIONS (description = 'Token of the lease under which this was written')
)
PARTITION BY as_of
CLUSTER BY player_lookup
OPTIONS (require_partition_filter = TRUE, description = 'Spread of points and errors per player; written only through the fenced publish');
