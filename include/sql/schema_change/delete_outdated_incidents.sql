-- Deletes incidents of which conditions has a newer state, as after a return to the older version; copy_conditions copies that state.
DELETE FROM nba_predictions.incidents AS incident
WHERE
    EXISTS (
        SELECT 1
        FROM nba_predictions.conditions AS old
        WHERE old.name = incident.name AND old.changed_at > COALESCE(incident.changed_at, TIMESTAMP_MICROS(0))
    );
