-- An empty table with the columns of the target: the write's staging table. It expires after 30 days if a crash leaves it.
-- Identifiers: staging, target, date_column
CREATE TABLE {staging}
OPTIONS (
    description = 'Staged rows of one guarded write; dropped when published',
    expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 30 DAY)
)
AS SELECT * FROM {target} WHERE {date_column} = DATE '1970-01-01' AND FALSE;
