-- One row per duplicate key found, per detection: at most the first 20 keys of a detection, each with the total.
-- NUMERIC(38, 9) is the same as NUMERIC, of which the emulator keeps three decimals only.
CREATE TABLE IF NOT EXISTS nba_predictions.grading_duplicate_audit (
    detected_at TIMESTAMP NOT NULL OPTIONS (description = 'When the check ran'),
    game_date DATE NOT NULL OPTIONS (description = 'Date checked'),
    duplicate_count INT64 OPTIONS (description = 'Surplus rows on the date'),
    processor STRING OPTIONS (description = 'Operation whose check found it, or data_quality'),
    player_lookup STRING OPTIONS (description = 'Key: player'),
    system_id STRING OPTIONS (description = 'Key: system'),
    line_value NUMERIC(38, 9) OPTIONS (description = 'Key: line, NULL without one'),
    duplicate_occurrence_count INT64 OPTIONS (description = 'Rows that share the key'),
    investigation_url STRING OPTIONS (description = 'The run that found it'),
    resolved_at TIMESTAMP OPTIONS (description = 'When a repair removed it'),
    resolution_notes STRING OPTIONS (description = 'What the repair did')
)
PARTITION BY DATE(detected_at)
CLUSTER BY game_date, processor
OPTIONS (require_partition_filter = TRUE, description = 'Duplicates found by the checks after a write, and their repairs');
