-- Removes the staging table of a finished write.
-- Identifiers: staging
DROP TABLE IF EXISTS {staging};
