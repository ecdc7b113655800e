-- The names of incidents with changes that Slack does not show and no process is delivering, oldest change first.
-- Params: claim_seconds INT64: an older claim has expired
SELECT name
FROM nba_predictions.incidents
WHERE
    alert IS NOT NULL
    AND (delivered_at IS NULL OR changed_at > delivered_at)
    AND (delivery_claimed_at IS NULL OR delivery_claimed_at <= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL @claim_seconds SECOND))
GROUP BY name
ORDER BY MIN(changed_at), name;
