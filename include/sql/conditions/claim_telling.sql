-- Lets one process tell what is new of a condition: the one that changes a row.
-- Params: name STRING, latest TIMESTAMP: who set out to tell it before is given up
UPDATE nba_predictions.conditions
SET telling_at = CURRENT_TIMESTAMP()
WHERE
    name = @name
    AND alert IS NOT NULL
    AND (told_at IS NULL OR changed_at > told_at)
    AND (telling_at IS NULL OR telling_at <= @latest);
