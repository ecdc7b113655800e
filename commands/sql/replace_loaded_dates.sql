-- Replaces the dates found in staged input files, in one transaction: loading twice replaces, never doubles.
-- Text: replaced, one replace_dates_fragment for each file
BEGIN TRANSACTION;

{replaced}

COMMIT TRANSACTION;
