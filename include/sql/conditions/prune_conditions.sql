-- Deletes what is over and told since long; a condition raised again gets a new row.
-- Params: latest TIMESTAMP: cleared before it is long over
DELETE FROM nba_predictions.conditions
WHERE
    raised_at IS NULL
    AND cleared_at <= @latest
    AND told_at >= changed_at;
