-- The rows of a date in some columns, for comparison with another backend.
-- Identifiers: columns, table, date_column. Literals: game_date
SELECT {columns} FROM {table} WHERE {date_column} = {game_date}
