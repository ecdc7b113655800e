-- Deletes incidents that were resolved long ago and are delivered; one that is opened again gets a new row.
-- Params: keep_seconds INT64: resolved before that is long ago
DELETE FROM nba_predictions.incidents
WHERE
    resolved_at <= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL @keep_seconds SECOND)
    AND delivered_at >= changed_at;
