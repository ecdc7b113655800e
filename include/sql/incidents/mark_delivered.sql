-- Records that Slack shows an incident as of a moment, unless another process has claimed its delivery since.
-- Params: name STRING, delivered_at TIMESTAMP, delivery_claimed_at TIMESTAMP, channel STRING, thread STRING
UPDATE nba_predictions.incidents
SET
    delivered_at = @delivered_at,
    delivery_claimed_at = NULL,
    channel = @channel,
    thread = @thread
WHERE name = @name AND delivery_claimed_at = @delivery_claimed_at;
