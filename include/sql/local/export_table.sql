-- Exports a whole table as Parquet files.
-- Identifiers: table. Literals: uri
EXPORT DATA OPTIONS (uri = {uri}, format = 'PARQUET', overwrite = TRUE)
AS SELECT * FROM {table};
