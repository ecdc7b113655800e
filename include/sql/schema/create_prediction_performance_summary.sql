-- One row per slice of grades: a system's, in a period, of all players or one, in all confidences or a tier of them. Key summary_key.
-- NUMERIC(38, 9) is NUMERIC written out: the emulator keeps three decimals in a bare one.
CREATE TABLE IF NOT EXISTS nba_predictions.prediction_performance_summary (
    summary_key STRING NOT NULL OPTIONS (description = 'system_id|period_type|period_value|player_lookup|confidence_tier'),
    system_id STRING NOT NULL OPTIONS (description = 'Predicting system'),
    period_type STRING NOT NULL OPTIONS (description = 'rolling_7d, rolling_30d, month or season'),
    period_value STRING NOT NULL OPTIONS (description = '2026-01-10 (the last day of a rolling period), 2026-01 or 2025-26'),
    period_start_date DATE NOT NULL OPTIONS (description = 'First day'),
    period_end_date DATE NOT NULL OPTIONS (description = 'Last day; the partition'),
    player_lookup STRING NOT NULL OPTIONS (description = 'Player, * for all'),
    confidence_tier STRING NOT NULL OPTIONS (description = 'high from 0.70, medium from 0.55, low below; * for all and for no confidence'),
    predictions INT64 OPTIONS (description = 'Grades in the slice, voided ones included'),
    voided INT64 OPTIONS (description = 'Those of players who did not play'),
    hits INT64 OPTIONS (description = 'OVER and UNDER that were right'),
    misses INT64 OPTIONS (description = 'OVER and UNDER that were wrong'),
    hit_rate FLOAT64 OPTIONS (description = 'hits / (hits + misses)'),
    over_hit_rate FLOAT64 OPTIONS (description = 'The same of OVER alone'),
    under_hit_rate FLOAT64 OPTIONS (description = 'The same of UNDER alone'),
    mae NUMERIC(38, 9) OPTIONS (description = 'Mean absolute error in points'),
    bias NUMERIC(38, 9) OPTIONS (description = 'Mean of predicted - actual in points'),
    unique_players INT64 OPTIONS (description = 'Players with a grade in the slice'),
    unique_games INT64 OPTIONS (description = 'Games with a grade in the slice'),
    grades_version INT64 OPTIONS (description = 'Sum of the versions of the grades of each date of the period: which grades were read'),
    computed_at TIMESTAMP OPTIONS (description = 'When the grades were read'),
    grading_run_id STRING OPTIONS (description = 'The row of grading_runs that wrote this'),
    fencing_token INT64 OPTIONS (description = 'Token of the lease under which this was written')
)
PARTITION BY period_end_date
CLUSTER BY system_id, period_type
OPTIONS (require_partition_filter = TRUE, description = 'Figures per system, period, player and confidence tier; written only through the fenced publish');
