-- One row per prediction made; business key (game_id, player_lookup, system_id, current_points_line), NULL equal to NULL.
-- NUMERIC(38, 9) is NUMERIC written out: the emulator keeps three decimals in a bare one.
CREATE TABLE IF NOT EXISTS nba_predictions.player_prop_predictions (
    prediction_id STRING OPTIONS (description = 'Id the predicting system gave the row'),
    system_id STRING NOT NULL OPTIONS (description = 'Predicting system; part of the business key'),
    player_lookup STRING NOT NULL OPTIONS (description = 'Normalised player name; part of the business key'),
    game_id STRING NOT NULL OPTIONS (description = 'Game; part of the business key'),
    game_date DATE NOT NULL OPTIONS (description = 'Date of the game in New York; the partition'),
    predicted_points NUMERIC(38, 9) OPTIONS (description = 'Points predicted'),
    confidence_score NUMERIC(38, 9) OPTIONS (description = 'Confidence, 0-1 or 0-100'),
    recommendation STRING OPTIONS (description = 'OVER, UNDER, PASS, HOLD or NO_LINE'),
    current_points_line NUMERIC(38, 9) OPTIONS (description = 'Betting line, NULL without one; part of the business key'),
    line_source STRING OPTIONS (description = 'Where the line came from'),
    sportsbook STRING OPTIONS (description = 'Sportsbook of the line'),
    is_active BOOL OPTIONS (description = 'FALSE once superseded; NULL means active'),
    invalidation_reason STRING OPTIONS (description = 'Why the prediction no longer counts, such as a postponed game'),
    injury_status_at_prediction STRING OPTIONS (description = 'OUT, DOUBTFUL, QUESTIONABLE, PROBABLE or other'),
    model_version STRING OPTIONS (description = 'Version of the model'),
    created_at TIMESTAMP OPTIONS (description = 'When the prediction was made; the latest of one key wins'),
    updated_at TIMESTAMP OPTIONS (description = 'When the row was last changed')
)
PARTITION BY game_date
CLUSTER BY system_id, player_lookup
OPTIONS (require_partition_filter = TRUE, description = 'Input: player-prop predictions, one row per system, player, game and line');
