-- title: Grades older than the latest correction of their box score, last 60 days.
-- unit: grades
-- warn_above: 0
-- next_step: Grade their dates again; heal_grading does this automatically, oldest date first.
-- command: make backfill FROM=<first_date> TO=<last_date> REGRADE=1
-- runbook: dates-to-heal
-- Params: day DATE
WITH dates AS (
    SELECT
        grades.game_date,
        COUNT(*) AS outdated_grades
    FROM nba_predictions.prediction_accuracy AS grades
    INNER JOIN nba_box_scores.player_game_summary AS box
        ON
            grades.game_date = box.game_date
            AND grades.game_id = box.game_id
            AND grades.player_lookup = box.player_lookup
    WHERE
        grades.game_date BETWEEN CAST(DATE_SUB(@day, INTERVAL 59 DAY) AS DATE) AND @day
        AND box.game_date BETWEEN CAST(DATE_SUB(@day, INTERVAL 59 DAY) AS DATE) AND @day
        AND box.updated_at > grades.graded_at
    GROUP BY grades.game_date
)

SELECT
    COALESCE(SUM(outdated_grades), 0) AS value,
    STRING_AGG(CONCAT(CAST(game_date AS STRING), ': ', CAST(outdated_grades AS STRING)), '; ' ORDER BY game_date LIMIT 10) AS detail,
    MIN(game_date) AS first_date,
    MAX(game_date) AS last_date
FROM dates;
