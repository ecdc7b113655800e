-- Claims the delivery of an incident's changes for one process: the one whose UPDATE changes a row.
-- Params: name STRING, claim_seconds INT64: an older claim has expired
UPDATE nba_predictions.incidents
SET delivery_claimed_at = CURRENT_TIMESTAMP()
WHERE
    name = @name
    AND alert IS NOT NULL
    AND (delivered_at IS NULL OR changed_at > delivered_at)
    AND (delivery_claimed_at IS NULL OR delivery_claimed_at <= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL @claim_seconds SECOND));
