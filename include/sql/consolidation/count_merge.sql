-- One row, of the date: what a merge is made of, and what it staged, counted apart. Nothing may be lost, and merged_rows = expected_keys
-- must hold before it is published.
-- Params: game_date DATE. Identifiers: staging. Text: candidates, of select_stored and select_staging
WITH
expected AS (
    SELECT
        game_id,
        player_lookup,
        system_id,
        current_points_line,
        COUNTIF(staging_table IS NULL) AS date_rows,
        COUNTIF(staging_table IS NOT NULL) AS batch_rows
    FROM ({candidates}) AS candidate
    GROUP BY game_id, player_lookup, system_id, current_points_line
),

lost AS (
    SELECT
        game_id,
        player_lookup,
        system_id,
        current_points_line
    FROM expected
    EXCEPT DISTINCT
    SELECT
        game_id,
        player_lookup,
        system_id,
        current_points_line
    FROM {staging}
)

SELECT
    @game_date AS counted_date,
    COUNT(*) AS expected_keys,
    COALESCE(SUM(date_rows), 0) AS date_rows,
    COUNTIF(date_rows > 0) AS date_keys,
    COALESCE(SUM(batch_rows), 0) AS batch_rows,
    COUNTIF(batch_rows > 0) AS batch_keys,
    (SELECT COUNT(*) FROM {staging}) AS merged_rows,
    (SELECT COUNT(*) FROM lost) AS lost_keys
FROM expected;
