-- One row per system, player and game: the bet of record, settled (docs/evaluation.md). Business key (system_id, player_lookup, game_id).
-- NUMERIC(38, 9) is NUMERIC written out: the emulator keeps three decimals in a bare one.
CREATE TABLE IF NOT EXISTS nba_predictions.settled_bets (
    system_id STRING NOT NULL OPTIONS (description = 'Predicting system; part of the business key'),
    player_lookup STRING NOT NULL OPTIONS (description = 'Player; part of the business key'),
    game_id STRING NOT NULL OPTIONS (description = 'Game; part of the business key'),
    game_date DATE NOT NULL OPTIONS (description = 'Date of the game in New York; the partition'),
    prediction_id STRING OPTIONS (description = 'The prediction that is the bet'),
    predicted_at TIMESTAMP OPTIONS (description = 'When it was made'),
    provenance STRING OPTIONS (description = 'before_tip_off; same_day: made by the end of the date in New York, and the tip-off is not known'),
    line_value NUMERIC(38, 9) OPTIONS (description = 'The main line'),
    sportsbook STRING OPTIONS (description = 'Sportsbook of the line; NULL if no prediction named one'),
    predicted_points NUMERIC(38, 9) OPTIONS (description = 'Points predicted'),
    recommendation STRING OPTIONS (description = 'As predicted; a bet if OVER or UNDER'),
    confidence_score NUMERIC(38, 9) OPTIONS (description = 'Confidence as a share, 0-1'),
    edge NUMERIC(38, 9) OPTIONS (description = 'predicted - line, in points'),
    actual_points INT64 OPTIONS (description = 'Points in the box score'),
    result STRING OPTIONS (description = 'void, no_bet, push, won or lost'),
    absolute_error NUMERIC(38, 9) OPTIONS (description = '|predicted - actual|; NULL when void'),
    line_error NUMERIC(38, 9) OPTIONS (description = '|line - actual|; NULL when void'),
    profit FLOAT64 OPTIONS (description = 'Units at -110: 100/110 won, -1 lost, 0 push or void; NULL without a bet'),
    candidates INT64 OPTIONS (description = 'Predictions made in time that this row stands for'),
    price INT64 OPTIONS (description = 'American odds of the bet when it was made; NULL if not known'),
    profit_at_price FLOAT64 OPTIONS (description = 'Units at that price; NULL without a price or a bet'),
    fair_probability FLOAT64 OPTIONS (description = 'Probability of the bet in that price, margin taken out in proportion'),
    fair_probability_shin FLOAT64 OPTIONS (description = 'The same by Shin: of two outcomes, half of the margin off each'),
    close_status STRING OPTIONS (description = 'true_close: at most 45 minutes before tip-off; stale: earlier; none. NULL without a bet'),
    closing_line NUMERIC(38, 9) OPTIONS (description = 'Last line of the sportsbook by tip-off: the main one'),
    clv_points NUMERIC(38, 9) OPTIONS (description = 'Closing line value: close - line for OVER, line - close for UNDER'),
    clv_probability FLOAT64 OPTIONS (description = 'Fair probability of the bet at the close, on its own line, less fair_probability'),
    grades_version INT64 OPTIONS (description = 'Version of the grades that were read: the fence of prediction_accuracy'),
    computed_at TIMESTAMP OPTIONS (description = 'When the grades were read'),
    grading_run_id STRING OPTIONS (description = 'The row of grading_runs that wrote this'),
    fencing_token INT64 OPTIONS (description = 'Token of the lease under which this was written')
)
PARTITION BY game_date
CLUSTER BY system_id, player_lookup
OPTIONS (require_partition_filter = TRUE, description = 'Bets of record, one per system, player and game; written only through the fenced publish');
