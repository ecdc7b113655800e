-- One row per check and run of check_data_quality: the value and its thresholds. The Grading page draws its trends.
-- NUMERIC(38, 9) is the same as NUMERIC, of which the emulator keeps three decimals only.
CREATE TABLE IF NOT EXISTS nba_predictions.data_quality_results (
    run_id STRING NOT NULL OPTIONS (description = 'Airflow run'),
    check_name STRING NOT NULL OPTIONS (description = 'File of include/sql/quality, without its number'),
    checked_at TIMESTAMP NOT NULL OPTIONS (description = 'When the run checked'),
    day DATE NOT NULL OPTIONS (description = 'Day that was checked: yesterday, for a scheduled run'),
    status STRING NOT NULL OPTIONS (description = 'passed, warned, failed, no_games, or broken: the check itself did not run'),
    value NUMERIC(38, 9) OPTIONS (description = 'Measured value; NULL when there was nothing to measure, or the check is broken'),
    unit STRING OPTIONS (description = 'What the value counts'),
    warn_below NUMERIC(38, 9) OPTIONS (description = 'A lower value warns'),
    warn_above NUMERIC(38, 9) OPTIONS (description = 'A higher value warns'),
    fail_below NUMERIC(38, 9) OPTIONS (description = 'A lower value fails'),
    fail_above NUMERIC(38, 9) OPTIONS (description = 'A higher value fails'),
    detail STRING OPTIONS (description = 'Examples of what was found, or the error of a broken check'),
    duration_ms INT64 OPTIONS (description = 'Milliseconds the check took')
)
PARTITION BY DATE(checked_at)
CLUSTER BY check_name
OPTIONS (require_partition_filter = TRUE, description = 'Results of the daily data-quality checks');
