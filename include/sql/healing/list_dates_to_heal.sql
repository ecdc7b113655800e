-- One row per date of the range that should be graded (again): how many gradable predictions whose game is complete have no grade,
-- and how many grades are older than the latest correction of their box score. Dates whose grading failed or was refused least often in
-- the last 7 days come first, then the oldest: a date that fails each time does not block the others.
-- Params: first DATE, last DATE, complete_minutes INT64
WITH gradable AS (
    SELECT DISTINCT
        game_date,
        game_id,
        player_lookup,
        system_id,
        current_points_line
    FROM nba_predictions.gradable_predictions
    WHERE
        game_date BETWEEN @first AND @last
),

complete_games AS (
    SELECT
        game_date,
        game_id
    FROM nba_predictions.game_completeness
    WHERE game_date BETWEEN @first AND @last AND complete_minutes >= @complete_minutes
),

grades AS (
    SELECT
        game_date,
        game_id,
        player_lookup,
        system_id,
        line_value,
        graded_at
    FROM nba_predictions.prediction_accuracy
    WHERE game_date BETWEEN @first AND @last
),

ungraded AS (
    SELECT
        gradable.game_date,
        COUNT(*) AS ungraded_predictions
    FROM gradable
    INNER JOIN complete_games USING (game_date, game_id)
    LEFT JOIN grades
        ON
            gradable.game_date = grades.game_date
            AND gradable.game_id = grades.game_id
            AND gradable.player_lookup = grades.player_lookup
            AND gradable.system_id = grades.system_id
            AND gradable.current_points_line IS NOT DISTINCT FROM grades.line_value
    WHERE grades.game_date IS NULL
    GROUP BY gradable.game_date
),

outdated AS (
    SELECT
        grades.game_date,
        COUNT(*) AS outdated_grades
    FROM grades
    INNER JOIN nba_box_scores.player_game_summary AS box USING (game_date, game_id, player_lookup)
    WHERE box.game_date BETWEEN @first AND @last AND box.updated_at > grades.graded_at
    GROUP BY grades.game_date
),

failed AS (
    SELECT
        game_date,
        COUNT(*) AS failed_runs
    FROM nba_predictions.grading_runs
    WHERE
        started_at >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 7 DAY)
        AND operation = 'grading'
        AND outcome IN ('failed', 'refused')
    GROUP BY game_date
)

SELECT
    game_date,
    COALESCE(ungraded.ungraded_predictions, 0) AS ungraded_predictions,
    COALESCE(outdated.outdated_grades, 0) AS outdated_grades,
    COALESCE(failed.failed_runs, 0) AS failed_runs
FROM ungraded
FULL OUTER JOIN outdated USING (game_date)
LEFT JOIN failed USING (game_date)
ORDER BY failed_runs, game_date;
