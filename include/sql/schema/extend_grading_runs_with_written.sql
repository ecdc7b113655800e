-- A column that grading_runs got after its first version, for tables that were made before.
ALTER TABLE nba_predictions.grading_runs
ADD COLUMN IF NOT EXISTS written INT64 OPTIONS (description = 'Rows the date holds after the write');
