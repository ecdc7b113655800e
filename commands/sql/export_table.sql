-- Exports a whole table as Parquet files.
-- Identifiers: table. Text: uri, gs://bucket/name-*.parquet
EXPORT DATA OPTIONS (uri = '{uri}', format = 'PARQUET', overwrite = TRUE)
AS SELECT * FROM {table};
