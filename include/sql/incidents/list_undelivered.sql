-- Conditions of which Slack was not told everything, and that nobody tells now.
-- Params: latest TIMESTAMP: who set out to tell it before is given up
SELECT name
FROM nba_predictions.incidents
WHERE
    alert IS NOT NULL
    AND (delivered_at IS NULL OR changed_at > delivered_at)
    AND (delivery_claimed_at IS NULL OR delivery_claimed_at <= @latest)
GROUP BY name
ORDER BY MIN(changed_at), name;
