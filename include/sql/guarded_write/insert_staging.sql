-- Writes the fresh rows of one date to the staging table: the heavy part, in conflict with nobody.
-- Identifiers: staging, columns, and rows: the SELECT of the operation, whose params it takes
INSERT INTO {staging} ({columns})
{rows};
