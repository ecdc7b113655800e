-- The counts of a work that has none of its own, for audit_staging.
-- Params: game_dates ARRAY<DATE>
SELECT counted_date
FROM UNNEST(@game_dates) AS counted_date
