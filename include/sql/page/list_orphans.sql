-- One row per staging table or backup of the dataset, oldest first; expires_at is NULL for one that never expires. Reads only metadata.
-- Params: none
SELECT
    tables.table_name,
    tables.creation_time,
    -- The value of an option is text: TIMESTAMP "2026-02-11T19:00:00.000Z".
    SAFE_CAST(REGEXP_EXTRACT(expiry.option_value, r'"(.+)"') AS TIMESTAMP) AS expires_at
FROM nba_predictions.INFORMATION_SCHEMA.TABLES AS tables -- noqa: CP02
LEFT JOIN nba_predictions.INFORMATION_SCHEMA.TABLE_OPTIONS AS expiry -- noqa: CP02
    ON tables.table_name = expiry.table_name AND expiry.option_name = 'expiration_timestamp'
WHERE STARTS_WITH(tables.table_name, '_staging_') OR STARTS_WITH(tables.table_name, '_backup_')
ORDER BY tables.creation_time, tables.table_name;
