-- One grade per gradable prediction whose game has a box score; business key (player_lookup, game_id, system_id, line_value).
-- NUMERIC(38, 9) is NUMERIC written out: the emulator keeps three decimals in a bare one.
CREATE TABLE IF NOT EXISTS nba_predictions.prediction_accuracy (
    player_lookup STRING NOT NULL OPTIONS (description = 'Normalised player name; part of the business key'),
    game_id STRING NOT NULL OPTIONS (description = 'Game; part of the business key'),
    game_date DATE NOT NULL OPTIONS (description = 'Date of the game in New York; the partition'),
    system_id STRING NOT NULL OPTIONS (description = 'Predicting system; part of the business key'),
    team_abbr STRING OPTIONS (description = 'Team of the player'),
    opponent_team_abbr STRING OPTIONS (description = 'Team played against'),
    predicted_points NUMERIC(38, 9) OPTIONS (description = 'Points predicted'),
    confidence_score NUMERIC(38, 9) OPTIONS (description = 'Confidence as a share, 0-1'),
    confidence_decile INT64 OPTIONS (description = '1 for [0, 0.1) up to 10 for [0.9, 1]'),
    recommendation STRING OPTIONS (description = 'OVER, UNDER, PASS, HOLD or NO_LINE'),
    line_value NUMERIC(38, 9) OPTIONS (description = 'Betting line, NULL without one; part of the business key'),
    line_source STRING OPTIONS (description = 'Where the line came from'),
    sportsbook STRING OPTIONS (description = 'Sportsbook of the line'),
    actual_points INT64 OPTIONS (description = 'Points in the box score'),
    minutes_played NUMERIC(38, 9) OPTIONS (description = 'Minutes in the box score'),
    absolute_error NUMERIC(38, 9) OPTIONS (description = 'Absolute value of signed_error; NULL when voided'),
    signed_error NUMERIC(38, 9) OPTIONS (description = 'predicted - actual; NULL when voided'),
    prediction_correct BOOL OPTIONS (description = 'OVER and UNDER only; NULL for a push, no line or a void'),
    predicted_margin NUMERIC(38, 9) OPTIONS (description = 'predicted - line'),
    actual_margin NUMERIC(38, 9) OPTIONS (description = 'actual - line'),
    within_3_points BOOL OPTIONS (description = 'absolute_error <= 3'),
    within_5_points BOOL OPTIONS (description = 'absolute_error <= 5'),
    is_voided BOOL OPTIONS (description = 'TRUE when the player did not play'),
    void_reason STRING OPTIONS (description = 'dnp_injury_confirmed, dnp_late_scratch or dnp_unknown'),
    pre_game_injury_status STRING OPTIONS (description = 'Injury status when the prediction was made'),
    model_version STRING OPTIONS (description = 'Version of the model'),
    graded_at TIMESTAMP OPTIONS (description = 'When the inputs of this grade were read'),
    grading_run_id STRING OPTIONS (description = 'The row of grading_runs that wrote this'),
    fencing_token INT64 OPTIONS (description = 'Token of the lease under which this was written')
)
PARTITION BY game_date
CLUSTER BY system_id, player_lookup
OPTIONS (require_partition_filter = TRUE, description = 'Grades of predictions against box scores; written only through the fenced publish');
