-- Exports a whole table as Parquet files.
-- Identifiers: table, partition_column. Text: uri, gs://bucket/name-*.parquet
EXPORT DATA OPTIONS (uri = '{uri}', format = 'PARQUET', overwrite = TRUE)
AS SELECT * FROM {table} WHERE {partition_column} >= '1970-01-01';
