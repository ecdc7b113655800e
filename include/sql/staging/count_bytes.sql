-- One row per table: its logical bytes. Named, as BigQuery shows the partitions of at most 1,000 tables at a time.
-- Literals: names
SELECT
    table_name,
    SUM(total_logical_bytes) AS stored_bytes
FROM nba_predictions.INFORMATION_SCHEMA.PARTITIONS -- noqa: CP02
WHERE table_name IN ({names})
GROUP BY table_name;
