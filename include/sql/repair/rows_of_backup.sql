-- The rows of a date as a backup holds them.
-- Params: game_date DATE. Identifiers: columns, backup
SELECT {columns}
FROM {backup}
WHERE game_date = @game_date;
