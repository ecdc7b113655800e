-- Duplicates the grades of one date, as two writers did: one copy in ten older, with the actual points of a box score that was corrected
-- later; the others three hours younger.
-- Params: game_date DATE, surplus INT64
INSERT INTO nba_predictions.prediction_accuracy
SELECT
    * EXCEPT (n)
    REPLACE (
        IF(MOD(n, 10) = 0, TIMESTAMP_SUB(graded_at, INTERVAL 3 HOUR), TIMESTAMP_ADD(graded_at, INTERVAL 3 HOUR)) AS graded_at,
        IF(MOD(n, 10) = 0, actual_points - 1, actual_points) AS actual_points,
        'the other writer' AS grading_run_id
    )
FROM (
    SELECT
        *,
        ROW_NUMBER() OVER (ORDER BY player_lookup, game_id, system_id, line_value) AS n
    FROM nba_predictions.prediction_accuracy
    WHERE game_date = @game_date
) AS numbered
WHERE n <= @surplus;
