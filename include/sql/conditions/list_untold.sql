-- Conditions of which Slack was not told everything, and that nobody tells now.
-- Params: latest TIMESTAMP: who set out to tell it before is given up
SELECT name
FROM nba_predictions.conditions
WHERE
    alert IS NOT NULL
    AND (told_at IS NULL OR changed_at > told_at)
    AND (telling_at IS NULL OR telling_at <= @latest)
GROUP BY name
ORDER BY MIN(changed_at), name;
