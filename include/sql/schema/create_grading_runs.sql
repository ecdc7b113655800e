-- One row per run of a guarded write: what ran, who held the lease, how long it waited, what it wrote, how it ended.
CREATE TABLE IF NOT EXISTS nba_predictions.grading_runs (
    grading_run_id STRING NOT NULL OPTIONS (description = 'Id of this write; the grades carry it'),
    operation STRING NOT NULL OPTIONS (description = 'Guarded operation, such as grading'),
    game_date DATE OPTIONS (description = 'Date written; NULL when the run has none'),
    dag_id STRING OPTIONS (description = 'Airflow DAG'),
    run_id STRING OPTIONS (description = 'Airflow run'),
    run_type STRING OPTIONS (description = 'scheduled, manual, backfill or asset_triggered'),
    holder_id STRING OPTIONS (description = 'Claim of the lease'),
    fencing_token INT64 OPTIONS (description = 'Token published'),
    leased BOOL OPTIONS (description = 'FALSE when the write went on without a lease'),
    unleased_reason STRING OPTIONS (description = 'Why the write went on without a lease; NULL with one'),
    lease_wait_ms INT64 OPTIONS (description = 'Milliseconds between the first try and the lease'),
    gradable INT64 OPTIONS (description = 'Gradable predictions'),
    graded INT64 OPTIONS (description = 'Rows graded'),
    voided INT64 OPTIONS (description = 'Rows voided'),
    pending INT64 OPTIONS (description = 'Predictions whose game has no complete box score'),
    pending_no_box_score INT64 OPTIONS (description = 'Of these, those whose game has no box score'),
    pending_incomplete INT64 OPTIONS (description = 'Of these, those whose game has a box score that is not complete'),
    incomplete_games INT64 OPTIONS (description = 'Predicted games with a box score that is not complete'),
    written INT64 OPTIONS (description = 'Rows the date holds after the write'),
    replaced INT64 OPTIONS (description = 'Rows the date held before'),
    duplicates INT64 OPTIONS (description = 'Surplus rows found by the validation after the write'),
    started_at TIMESTAMP NOT NULL OPTIONS (description = 'When the run began'),
    finished_at TIMESTAMP OPTIONS (description = 'When the run was recorded'),
    duration_ms INT64 OPTIONS (description = 'Milliseconds of the guarded write itself, waiting left out'),
    outcome STRING NOT NULL OPTIONS (description = 'graded, consolidated, aggregated, repaired, no_predictions, no_box_scores, incomplete_games, no_staging_tables, refused or failed'),
    detail STRING OPTIONS (description = 'Why it failed or what was found')
)
PARTITION BY DATE(started_at)
CLUSTER BY operation
OPTIONS (require_partition_filter = TRUE, description = 'One row per guarded write');
