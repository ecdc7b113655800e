-- Renames the column figure of data_quality_results, which is now value. One atomic change; only for a table that still has figure.
ALTER TABLE nba_predictions.data_quality_results
RENAME COLUMN figure TO value;
