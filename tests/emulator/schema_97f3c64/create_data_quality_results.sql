-- One row per check and run of check_data_quality: the figure against its thresholds. Trends are drawn from it.
-- NUMERIC(38, 9) is NUMERIC written out: the emulator keeps three decimals in a bare one.
CREATE TABLE IF NOT EXISTS nba_predictions.data_quality_results (
    run_id STRING NOT NULL OPTIONS (description = 'Airflow run'),
    check_name STRING NOT NULL OPTIONS (description = 'File of include/sql/quality, without its number'),
    checked_at TIMESTAMP NOT NULL OPTIONS (description = 'When the run checked'),
    day DATE NOT NULL OPTIONS (description = 'The day looked at: yesterday, for a scheduled run'),
    status STRING NOT NULL OPTIONS (description = 'passed, warned, failed, no_games, or broken: the check itself did not run'),
    figure NUMERIC(38, 9) OPTIONS (description = 'What was measured; NULL when there was nothing to measure, or the check is broken'),
    unit STRING OPTIONS (description = 'What the figure counts'),
    warn_below NUMERIC(38, 9) OPTIONS (description = 'A lower figure warns'),
    warn_above NUMERIC(38, 9) OPTIONS (description = 'A higher figure warns'),
    fail_below NUMERIC(38, 9) OPTIONS (description = 'A lower figure fails'),
    fail_above NUMERIC(38, 9) OPTIONS (description = 'A higher figure fails'),
    detail STRING OPTIONS (description = 'Examples of what was found, or the error of a broken check'),
    duration_ms INT64 OPTIONS (description = 'Milliseconds the check took')
)
PARTITION BY DATE(checked_at)
CLUSTER BY check_name
OPTIONS (description = 'Results of the daily data-quality checks');
