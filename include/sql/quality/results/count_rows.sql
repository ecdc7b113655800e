-- The value of a check that selects offending rows: their number, with the first five as its detail.
-- Identifiers: check
SELECT
    COUNT(*) AS value,
    STRING_AGG(TO_JSON_STRING(offending), '; ' LIMIT 5) AS detail
FROM (
    {check}
) AS offending;
