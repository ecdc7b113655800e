-- Copies the fences of one table from the older write_fences, and makes one for each other date that has rows. Dates that have a fence are
-- left as they are, but for an older token.
-- Params: table_name STRING. Identifiers: fences, target, date_column, key, value_time, stored_token
MERGE INTO {fences} AS fence
USING (
    WITH stored_keys AS (
        SELECT
            {date_column} AS game_date,
            {stored_token} AS fencing_token,
            MAX({value_time}) AS stored_at,
            COUNT(*) AS copies
        FROM {target}
        WHERE {date_column} >= DATE '1970-01-01'
        GROUP BY {date_column}, {key}
    ),

    stored AS (
        SELECT
            game_date,
            MAX(fencing_token) AS fencing_token,
            COALESCE(UNIX_MICROS(MAX(stored_at)), 1) AS version,
            SUM(copies) AS published_rows,
            COUNT(*) AS published_keys
        FROM stored_keys
        GROUP BY game_date
    ),

    older AS (
        SELECT
            game_date,
            MAX(fencing_token) AS fencing_token
        FROM nba_predictions.write_fences
        WHERE table_name = @table_name
        GROUP BY game_date
    )

    SELECT
        game_date,
        GREATEST(COALESCE(older.fencing_token, 0), COALESCE(stored.fencing_token, 0)) AS fencing_token,
        COALESCE(stored.version, 0) AS version,
        COALESCE(stored.published_rows, 0) AS published_rows,
        COALESCE(stored.published_keys, 0) AS published_keys
    FROM older
    FULL JOIN stored USING (game_date)
) AS found
    ON fence.game_date = found.game_date
WHEN MATCHED AND fence.fencing_token < found.fencing_token THEN
    UPDATE SET
        fencing_token = found.fencing_token,
        version = GREATEST(COALESCE(fence.version, 0), found.version),
        published_rows = found.published_rows,
        published_keys = found.published_keys
WHEN NOT MATCHED THEN
    INSERT (game_date, fencing_token, version, published_rows, published_keys)
    VALUES (found.game_date, found.fencing_token, found.version, found.published_rows, found.published_keys);
