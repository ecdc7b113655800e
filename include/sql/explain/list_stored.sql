-- The stored grades of one system for one player on a date, newest first, each with the run that wrote it.
-- Params: game_date DATE, system_id STRING, player_lookup STRING
WITH runs AS (
    SELECT
        grading_run_id,
        dag_id,
        run_id,
        run_type,
        leased,
        outcome,
        finished_at
    FROM nba_predictions.grading_runs
    WHERE started_at >= TIMESTAMP(@game_date) AND game_date = @game_date AND operation = 'grading'
    QUALIFY ROW_NUMBER() OVER (PARTITION BY grading_run_id ORDER BY finished_at DESC) = 1
)

SELECT
    grades.*,
    runs.dag_id,
    runs.run_id,
    runs.run_type,
    runs.leased
FROM nba_predictions.prediction_accuracy AS grades
LEFT JOIN runs USING (grading_run_id)
WHERE
    grades.game_date = @game_date
    AND grades.system_id = @system_id
    AND grades.player_lookup = @player_lookup
ORDER BY grades.game_id ASC, grades.line_value ASC, grades.graded_at DESC;
