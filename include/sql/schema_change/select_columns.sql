-- Every column of a table, for a dry run, which returns the names of the columns.
-- Identifiers: target. Text: where: a filter of the partitions, if the table has some
SELECT *
FROM {target}
{where};
