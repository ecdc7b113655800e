-- The rows of a date in some columns, to be compared with those of another place.
-- Identifiers: columns, table, date_column. Literals: game_date
SELECT {columns} FROM {table} WHERE {date_column} = {game_date}
