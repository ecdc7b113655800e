-- The figure of a check that selects offending rows: their number, and the first of them.
-- Identifiers: check
SELECT
    COUNT(*) AS figure,
    STRING_AGG(TO_JSON_STRING(offending), '; ' LIMIT 5) AS detail
FROM (
    {check}
) AS offending;
