-- The first 20 business keys that each date of a table holds more than once; every row has the totals of its date.
-- Params: game_dates ARRAY<DATE>. Identifiers: target, line_column, time_column
WITH duplicate_keys AS (
    SELECT
        game_date,
        player_lookup,
        game_id,
        system_id,
        {line_column} AS line_value,
        COUNT(*) AS occurrences,
        MIN({time_column}) AS first_written_at,
        MAX({time_column}) AS last_written_at
    FROM {target}
    WHERE game_date IN UNNEST(@game_dates)
    GROUP BY game_date, player_lookup, game_id, system_id, {line_column}
    HAVING COUNT(*) > 1
)

SELECT
    *,
    COUNT(*) OVER (PARTITION BY game_date) AS duplicate_keys,
    SUM(occurrences - 1) OVER (PARTITION BY game_date) AS surplus_rows
FROM duplicate_keys
WHERE TRUE
QUALIFY
    ROW_NUMBER() OVER (
        PARTITION BY game_date
        ORDER BY occurrences DESC, player_lookup ASC, game_id ASC, system_id ASC, line_value ASC
    ) <= 20
ORDER BY game_date ASC, occurrences DESC, player_lookup ASC, game_id ASC, system_id ASC, line_value ASC;
