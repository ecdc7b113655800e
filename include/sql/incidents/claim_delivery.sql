-- Lets one process tell what is new of a condition: the one that changes a row.
-- Params: name STRING, latest TIMESTAMP: who set out to tell it before is given up
UPDATE nba_predictions.incidents
SET delivery_claimed_at = CURRENT_TIMESTAMP()
WHERE
    name = @name
    AND alert IS NOT NULL
    AND (delivered_at IS NULL OR changed_at > delivered_at)
    AND (delivery_claimed_at IS NULL OR delivery_claimed_at <= @latest);
