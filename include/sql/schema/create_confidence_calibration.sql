-- One row per system and fit: a map from its confidence to the share of bets that were won (docs/evaluation.md). Business key
-- (fitted_on, system_id). Nothing in this project applies a map: predicting systems read the newest accepted one, latest_calibration.
CREATE TABLE IF NOT EXISTS nba_predictions.confidence_calibration (
    fitted_on DATE NOT NULL OPTIONS (description = 'Last day of the bets; the version, and the partition'),
    system_id STRING NOT NULL OPTIONS (description = 'Predicting system whose confidence is a probability'),
    points STRING OPTIONS (description = 'The map, a JSON array of [confidence, win rate], ascending: linear between two, flat outside'),
    fitted_bets INT64 OPTIONS (description = 'Decided bets of record that it was fitted on: 60 days without the last 14'),
    held_out_bets INT64 OPTIONS (description = 'Decided bets of record of the last 14 days, on which it was judged'),
    brier_before FLOAT64 OPTIONS (description = 'Brier score of the confidence on the days held out'),
    brier_after FLOAT64 OPTIONS (description = 'Brier score of the mapped confidence on the same'),
    calibration_error_before FLOAT64 OPTIONS (description = 'Mean |confidence - win rate| over ten bins of equal width, by their bets'),
    calibration_error_after FLOAT64 OPTIONS (description = 'The same of the mapped confidence'),
    accepted BOOL OPTIONS (description = 'Whether both improved on the days held out'),
    computed_at TIMESTAMP OPTIONS (description = 'When the bets were read'),
    grading_run_id STRING OPTIONS (description = 'The row of grading_runs that wrote this'),
    fencing_token INT64 OPTIONS (description = 'Token of the lease under which this was written')
)
PARTITION BY fitted_on
OPTIONS (require_partition_filter = TRUE, description = 'Maps from confidence to win rate, a version each week; written only through the fenced publish');
