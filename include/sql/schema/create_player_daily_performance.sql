-- One row per date, system, player, game and confidence tier: counts and sums, from which the periods of prediction_performance_summary are
-- added up. Business key (game_date, system_id, player_lookup, game_id, confidence_tier).
-- NUMERIC(38, 9) is NUMERIC written out: the emulator keeps three decimals in a bare one.
CREATE TABLE IF NOT EXISTS nba_predictions.player_daily_performance (
    game_date DATE NOT NULL OPTIONS (description = 'Date of the games in New York; the partition'),
    system_id STRING NOT NULL OPTIONS (description = 'Predicting system'),
    player_lookup STRING NOT NULL OPTIONS (description = 'Player'),
    game_id STRING NOT NULL OPTIONS (description = 'Game'),
    confidence_tier STRING OPTIONS (description = 'high from 0.70, medium from 0.55, low below; NULL for no confidence'),
    predictions INT64 OPTIONS (description = 'Grades, voided ones included'),
    voided INT64 OPTIONS (description = 'Those of players who did not play'),
    hits INT64 OPTIONS (description = 'OVER and UNDER that were right'),
    misses INT64 OPTIONS (description = 'OVER and UNDER that were wrong'),
    over_hits INT64 OPTIONS (description = 'OVER that were right'),
    over_misses INT64 OPTIONS (description = 'OVER that were wrong'),
    errors INT64 OPTIONS (description = 'Grades that have an error: those of players who played'),
    absolute_error NUMERIC(38, 9) OPTIONS (description = 'Sum of the absolute errors in points'),
    signed_error NUMERIC(38, 9) OPTIONS (description = 'Sum of predicted - actual in points'),
    grades_version INT64 OPTIONS (description = 'Version of the grades that were read: the fence of prediction_accuracy'),
    computed_at TIMESTAMP OPTIONS (description = 'When the grades were read'),
    grading_run_id STRING OPTIONS (description = 'The row of grading_runs that wrote this'),
    fencing_token INT64 OPTIONS (description = 'Token of the lease under which this was written')
)
PARTITION BY game_date
CLUSTER BY system_id, player_lookup
OPTIONS (require_partition_filter = TRUE, description = 'Figures per date, system, player, game and confidence tier; written only through the fenced publish');
