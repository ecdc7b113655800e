-- title: Predicted games of the day whose box score is missing or not complete.
-- unit: games
-- warn_above: 0
-- needs_games: yes
-- next_step: Load their box scores; heal_grading then grades them. A postponed game needs an invalidation_reason, one that was stopped early accept_games.
-- trigger: grade_predictions game_date=<day>
-- runbook: incomplete-games
-- Params: day DATE, complete_minutes INT64
WITH predicted AS (
    SELECT DISTINCT game_id
    FROM nba_predictions.gradable_predictions
    WHERE game_date = @day
),

box_scores AS (
    SELECT
        game_id,
        teams,
        least_minutes,
        complete_minutes
    FROM nba_predictions.game_completeness
    WHERE game_date = @day
),

games AS (
    SELECT
        predicted.game_id,
        CASE
            WHEN box_scores.game_id IS NULL THEN 'no box score'
            WHEN box_scores.teams != 2 THEN CONCAT('rows of ', CAST(box_scores.teams AS STRING), IF(box_scores.teams = 1, ' team', ' teams'))
            ELSE CONCAT('a team has ', FORMAT('%.1f', CAST(box_scores.least_minutes AS FLOAT64)), ' minutes')
        END AS found
    FROM predicted
    LEFT JOIN box_scores ON predicted.game_id = box_scores.game_id
    WHERE COALESCE(box_scores.complete_minutes < @complete_minutes, TRUE)
)

SELECT
    COUNT(*) AS value,
    STRING_AGG(CONCAT('game ', game_id, ': ', found), '; ' ORDER BY game_id LIMIT 10) AS detail
FROM games;
