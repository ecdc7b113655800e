-- One row: the counts by which staged rows pass or fail the audit. Keys are compared with NULL equal to NULL.
-- Params: game_date DATE. Identifiers: staging, target, date_column, key, null_key
SELECT
    (SELECT COUNT(*) FROM {staging}) AS staged_rows,
    (SELECT COUNT(*) FROM (SELECT DISTINCT {key} FROM {staging})) AS staged_keys,
    (SELECT COUNTIF({null_key}) FROM {staging}) AS null_keys,
    (SELECT COUNTIF({date_column} IS DISTINCT FROM @game_date) FROM {staging}) AS foreign_rows,
    (SELECT COUNT(*) FROM (SELECT DISTINCT {key} FROM {target} WHERE {date_column} = @game_date)) AS stored_keys;
