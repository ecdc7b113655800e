-- Resolves the open incidents of tasks that were copied from conditions: their names have the task since version 0.2, so no success would
-- resolve them. A task that still fails opens a new incident.
UPDATE nba_predictions.incidents
SET
    resolved_at = CURRENT_TIMESTAMP(),
    changed_at = CURRENT_TIMESTAMP(),
    resolution = 'The new version names incidents of tasks in another way. A task that still fails opens a new incident.'
WHERE
    opened_at IS NOT NULL
    AND resolved_at IS NULL
    AND (STARTS_WITH(name, 'task-failed/') OR STARTS_WITH(name, 'waited-too-long/') OR STARTS_WITH(name, 'lease-switched-off/'))
    AND name IN (SELECT name FROM nba_predictions.conditions);
