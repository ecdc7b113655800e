-- Makes every partition of a table made from the grades stale, so that the next refresh fills what it lacks.
-- Identifiers: fences
UPDATE {fences}
SET source_version = NULL
WHERE source_version IS NOT NULL;
