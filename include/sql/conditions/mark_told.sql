-- Writes down that Slack shows a condition as it was at a moment, unless somebody else has set out to tell it since.
-- Params: name STRING, told_at TIMESTAMP, telling_at TIMESTAMP, channel STRING, thread STRING
UPDATE nba_predictions.conditions
SET
    told_at = @told_at,
    telling_at = NULL,
    channel = @channel,
    thread = @thread
WHERE name = @name AND telling_at = @telling_at;
