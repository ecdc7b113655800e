-- title: Gradable predictions of the day without a grade.
-- unit: predictions
-- warn_above: 50
-- needs_games: yes
-- next_step: Load the box scores of games that have none, then grade the day again; heal_grading does this automatically from the next day on.
-- command: make backfill FROM=<day> TO=<day> REGRADE=1
-- runbook: ungraded-predictions
-- Params: day DATE
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

played AS (
    SELECT DISTINCT
        game_id,
        TRUE AS has_box_score
    FROM nba_box_scores.player_game_summary
    WHERE game_date = @day
),

ungraded AS (
    SELECT
        gradable.game_id,
        COUNT(*) AS predictions,
        COUNT(played.has_box_score) > 0 AS has_box_score
    FROM gradable
    LEFT JOIN grades
        ON
            gradable.game_id = grades.game_id
            AND gradable.player_lookup = grades.player_lookup
            AND gradable.system_id = grades.system_id
            AND gradable.current_points_line IS NOT DISTINCT FROM grades.line_value
    LEFT JOIN played ON gradable.game_id = played.game_id
    WHERE grades.is_graded IS NULL
    GROUP BY gradable.game_id
)

SELECT
    COALESCE(SUM(predictions), 0) AS value,
    STRING_AGG(
        CONCAT('game ', game_id, IF(has_box_score, ' has a box score: ', ' has no box score: '), CAST(predictions AS STRING)),
        '; ' ORDER BY predictions DESC, game_id ASC LIMIT 10
    ) AS detail
FROM ungraded;
