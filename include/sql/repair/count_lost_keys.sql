-- One row: how many keys of a date the staged rows lack. NULL equals NULL here, as in every comparison of keys.
-- Params: game_date DATE. Identifiers: key, target, staging
SELECT COUNT(*) AS lost_keys
FROM (
    SELECT {key} FROM {target} WHERE game_date = @game_date
    EXCEPT DISTINCT
    SELECT {key} FROM {staging}
) AS lost;
