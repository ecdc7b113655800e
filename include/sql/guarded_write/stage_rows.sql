-- Writes the fresh rows of the claimed dates to the staging table of one write: the expensive part, which conflicts with no other writer.
-- It expires after 30 days if a crash leaves it.
-- Identifiers: staging. Text: rows: the SELECT of the operation, whose params it takes
CREATE TABLE {staging}
OPTIONS (
    description = 'Staged rows of one guarded write; dropped when published',
    expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 30 DAY)
)
AS
{rows};
