-- Makes BigQuery refuse a query that would read every partition of a table.
-- Identifiers: target
ALTER TABLE {target} SET OPTIONS (require_partition_filter = TRUE);
