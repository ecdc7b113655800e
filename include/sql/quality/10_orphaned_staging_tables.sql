-- title: Staging tables older than 7 days.
-- unit: tables
-- warn_above: 0
-- next_step: "Read the report of clean_staging_tables, then run it with dry_run off: it drops only tables whose rows are all in the main table."
-- trigger: clean_staging_tables dry_run=false
-- runbook: orphaned-staging-tables
-- Params: as_of TIMESTAMP
WITH orphans AS (
    SELECT
        table_name,
        ROW_NUMBER() OVER (ORDER BY creation_time, table_name) AS place
    FROM nba_predictions.INFORMATION_SCHEMA.TABLES -- noqa: CP02
    WHERE STARTS_WITH(table_name, '_staging_') AND creation_time <= TIMESTAMP_SUB(@as_of, INTERVAL 7 DAY)
)

SELECT
    COUNT(*) AS value,
    STRING_AGG(IF(place <= 5, table_name, NULL), ', ' ORDER BY place) AS detail
FROM orphans;
