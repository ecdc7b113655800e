-- Names of conditions that have no incident, or a newer state than their incident: none when the table conditions can be dropped.
SELECT DISTINCT old.name
FROM nba_predictions.conditions AS old
LEFT JOIN nba_predictions.incidents AS incident ON old.name = incident.name
WHERE incident.name IS NULL OR old.changed_at > COALESCE(incident.changed_at, TIMESTAMP_MICROS(0))
ORDER BY old.name;
