-- The fences of one guarded table: one row per date that a write may replace. Every publish updates the rows of its dates first. A table of
-- its own for each target, as BigQuery cancels transactions that change the same table, whatever the rows.
-- Identifiers: fences
CREATE TABLE IF NOT EXISTS {fences} (
    game_date DATE NOT NULL OPTIONS (description = 'Date that the fence guards: the partition of the target'),
    fencing_token INT64 NOT NULL OPTIONS (description = 'Newest token published; 0 when seeded'),
    holder_id STRING OPTIONS (description = 'Claim that published it'),
    write_id STRING OPTIONS (description = 'Guarded write that published it'),
    grading_run_id STRING OPTIONS (description = 'The rows of grading_runs of that write'),
    version INT64 OPTIONS (description = 'Grows with each publish of the date: its time in microseconds, or more; 0 before the first'),
    source_version INT64 OPTIONS (description = 'For a table made from the grades: the version of the grades that was read, for a period the sum over its dates'),
    published_rows INT64 OPTIONS (description = 'Rows that the date holds since'),
    published_keys INT64 OPTIONS (description = 'Business keys that the date holds since'),
    updated_at TIMESTAMP OPTIONS (description = 'When it was published')
)
OPTIONS (description = 'Fences of the guarded writes: a writer whose token is older than the stored one is refused');
