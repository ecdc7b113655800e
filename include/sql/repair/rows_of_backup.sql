-- The rows of some dates as a backup holds them.
-- Params: game_dates ARRAY<DATE>. Identifiers: columns, backup
SELECT {columns}
FROM {backup}
WHERE game_date IN UNNEST(@game_dates);
