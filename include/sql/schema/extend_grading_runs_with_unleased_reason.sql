-- A column that grading_runs got after its first version, for tables that were made before.
ALTER TABLE nba_predictions.grading_runs
ADD COLUMN IF NOT EXISTS unleased_reason STRING OPTIONS (description = 'Why the write went on without a lease; NULL with one');
