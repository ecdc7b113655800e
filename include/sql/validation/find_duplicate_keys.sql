-- The first 20 business keys that a date of a table holds more than once; every row has the totals.
-- Params: game_date DATE. Identifiers: target, line_column, time_column
SELECT
    player_lookup,
    game_id,
    system_id,
    {line_column} AS line_value,
    COUNT(*) AS occurrences,
    MIN({time_column}) AS first_written_at,
    MAX({time_column}) AS last_written_at,
    COUNT(*) OVER () AS duplicate_keys,
    SUM(COUNT(*) - 1) OVER () AS surplus_rows
FROM {target}
WHERE game_date = @game_date
GROUP BY player_lookup, game_id, system_id, {line_column}
HAVING COUNT(*) > 1
ORDER BY occurrences DESC, player_lookup ASC, game_id ASC, system_id ASC, line_value ASC
LIMIT 20;
