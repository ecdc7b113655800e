-- Writes the fresh rows of one date to the staging table: the expensive part, which conflicts with no other writer.
-- Identifiers: staging, columns, and rows: the SELECT of the operation, whose params it takes
INSERT INTO {staging} ({columns})
{rows};
