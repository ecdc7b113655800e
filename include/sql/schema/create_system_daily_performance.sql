-- One row per game date and system: how its predictions of the date ended. Business key (game_date, system_id).
-- NUMERIC(38, 9) is NUMERIC written out: the emulator keeps three decimals in a bare one.
CREATE TABLE IF NOT EXISTS nba_predictions.system_daily_performance (
    game_date DATE NOT NULL OPTIONS (description = 'Date of the games in New York; the partition'),
    system_id STRING NOT NULL OPTIONS (description = 'Predicting system'),
    predictions INT64 OPTIONS (description = 'Gradable predictions: graded + voided + pending'),
    graded INT64 OPTIONS (description = 'Predictions of players who played: correct + incorrect + pushes + passes'),
    voided INT64 OPTIONS (description = 'Predictions of players who did not play'),
    pending INT64 OPTIONS (description = 'Predictions whose game has no complete box score yet'),
    recommendations INT64 OPTIONS (description = 'OVER and UNDER among the graded and voided'),
    correct INT64 OPTIONS (description = 'OVER and UNDER that were right'),
    incorrect INT64 OPTIONS (description = 'OVER and UNDER that were wrong'),
    pushes INT64 OPTIONS (description = 'OVER and UNDER whose line was hit exactly'),
    passes INT64 OPTIONS (description = 'Graded without a bet: PASS, HOLD, NO_LINE, or no line'),
    win_rate FLOAT64 OPTIONS (description = 'correct / (correct + incorrect)'),
    mae NUMERIC(38, 9) OPTIONS (description = 'Mean absolute error in points'),
    avg_bias NUMERIC(38, 9) OPTIONS (description = 'Mean of predicted - actual in points'),
    over_count INT64 OPTIONS (description = 'OVER among the graded and voided'),
    over_correct INT64 OPTIONS (description = 'OVER that were right'),
    over_incorrect INT64 OPTIONS (description = 'OVER that were wrong'),
    over_win_rate FLOAT64 OPTIONS (description = 'over_correct / (over_correct + over_incorrect)'),
    under_count INT64 OPTIONS (description = 'UNDER among the graded and voided'),
    under_correct INT64 OPTIONS (description = 'UNDER that were right'),
    under_incorrect INT64 OPTIONS (description = 'UNDER that were wrong'),
    under_win_rate FLOAT64 OPTIONS (description = 'under_correct / (under_correct + under_incorrect)'),
    within_3_count INT64 OPTIONS (description = 'Errors of at most 3 points'),
    within_3_share FLOAT64 OPTIONS (description = 'Their share of all errors'),
    within_5_count INT64 OPTIONS (description = 'Errors of at most 5 points'),
    within_5_share FLOAT64 OPTIONS (description = 'Their share of all errors'),
    avg_confidence NUMERIC(38, 9) OPTIONS (description = 'Mean confidence, 0-1, of the graded and voided'),
    high_confidence_count INT64 OPTIONS (description = 'Graded predictions of confidence 0.70 or more'),
    high_confidence_correct INT64 OPTIONS (description = 'Those of them that were right'),
    high_confidence_incorrect INT64 OPTIONS (description = 'Those of them that were wrong'),
    high_confidence_win_rate FLOAT64 OPTIONS (description = 'right / (right + wrong) of them'),
    late_candidates INT64 OPTIONS (description = 'Gradable predictions with a line that were made too late to be a bet of record'),
    unknown_candidates INT64 OPTIONS (description = 'Those without created_at, which are no bet of record either'),
    grades_version INT64 OPTIONS (description = 'Version of the grades that were read: the fence of prediction_accuracy; 0 for none'),
    computed_at TIMESTAMP OPTIONS (description = 'When the grades were read'),
    grading_run_id STRING OPTIONS (description = 'The row of grading_runs that wrote this'),
    fencing_token INT64 OPTIONS (description = 'Token of the lease under which this was written')
)
PARTITION BY game_date
CLUSTER BY system_id
OPTIONS (require_partition_filter = TRUE, description = 'Figures per date and system; written only through the fenced publish');
