-- The rows of some dates with one row per key: the one written first.
-- Params: game_dates ARRAY<DATE>. Identifiers: columns, target, key, time_column, tie_column
SELECT {columns}
FROM {target}
WHERE game_date IN UNNEST(@game_dates)
QUALIFY ROW_NUMBER() OVER (PARTITION BY game_date, {key} ORDER BY {time_column} ASC NULLS LAST, {tie_column} ASC) = 1;
