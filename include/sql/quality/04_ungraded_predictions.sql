-- title: Gradable predictions of the day without a grade.
-- unit: predictions
-- warn_above: 50
-- needs_games: yes
-- next_step: Load the box scores of games that are not complete, then grade the day again; heal_grading does this automatically, every hour.
-- command: make backfill FROM=<day> TO=<day> REGRADE=1
-- runbook: ungraded-predictions
-- Params: day DATE, complete_minutes INT64
WITH gradable AS (
    SELECT DISTINCT
        game_id,
        player_lookup,
        system_id,
        current_points_line
    FROM nba_predictions.gradable_predictions
    WHERE game_date = @day
),

grades AS (
    SELECT DISTINCT
        game_id,
        player_lookup,
        system_id,
        line_value,
        TRUE AS is_graded
    FROM nba_predictions.prediction_accuracy
    WHERE game_date = @day
),

box_scores AS (
    SELECT
        game_id,
        IF(complete_minutes >= @complete_minutes, ' is complete: ', ' is not complete: ') AS state
    FROM nba_predictions.game_completeness
    WHERE game_date = @day
),

ungraded AS (
    SELECT
        gradable.game_id,
        COUNT(*) AS predictions,
        MAX(COALESCE(box_scores.state, ' has no box score: ')) AS state
    FROM gradable
    LEFT JOIN grades
        ON
            gradable.game_id = grades.game_id
            AND gradable.player_lookup = grades.player_lookup
            AND gradable.system_id = grades.system_id
            AND gradable.current_points_line IS NOT DISTINCT FROM grades.line_value
    LEFT JOIN box_scores ON gradable.game_id = box_scores.game_id
    WHERE grades.is_graded IS NULL
    GROUP BY gradable.game_id
)

SELECT
    COALESCE(SUM(predictions), 0) AS value,
    STRING_AGG(
        CONCAT('game ', game_id, state, CAST(predictions AS STRING)),
        '; ' ORDER BY predictions DESC, game_id ASC LIMIT 10
    ) AS detail
FROM ungraded;
