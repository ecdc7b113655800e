-- The rows of a date with one row per key: the one written first.
-- Params: game_date DATE. Identifiers: columns, target, key, time_column, tie_column
SELECT {columns}
FROM {target}
WHERE game_date = @game_date
QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {time_column} ASC NULLS LAST, {tie_column} ASC) = 1;
