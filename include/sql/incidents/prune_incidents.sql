-- Deletes what is over and told since long; a condition raised again gets a new row.
-- Params: latest TIMESTAMP: cleared before it is long over
DELETE FROM nba_predictions.incidents
WHERE
    raised_at IS NULL
    AND resolved_at <= @latest
    AND delivered_at >= changed_at;
