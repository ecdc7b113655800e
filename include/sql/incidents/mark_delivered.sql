-- Writes down that Slack shows a condition as it was at a moment, unless somebody else has set out to tell it since.
-- Params: name STRING, delivered_at TIMESTAMP, delivery_claimed_at TIMESTAMP, channel STRING, thread STRING
UPDATE nba_predictions.incidents
SET
    delivered_at = @delivered_at,
    delivery_claimed_at = NULL,
    channel = @channel,
    thread = @thread
WHERE name = @name AND delivery_claimed_at = @delivery_claimed_at;
