-- Renames a column of data_quality_results, in one atomic change. It fails for a table that has the new name already.
ALTER TABLE nba_predictions.data_quality_results
RENAME COLUMN figure TO value;
