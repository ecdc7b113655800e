-- title: Predictions of the day per game.
-- unit: predictions per game
-- warn_below: 40
-- warn_above: 1500
-- needs_games: yes
-- next_step: Find the system whose volume changed (Grading page, Volume per system), and ask its owner.
-- runbook: data-quality
-- Params: day DATE
WITH predicted AS (
    SELECT
        game_id,
        COUNT(*) AS predictions
    FROM nba_predictions.player_prop_predictions
    WHERE game_date = @day AND is_active IS NOT FALSE
    GROUP BY game_id
),

games AS (
    SELECT game_id
    FROM predicted
    UNION DISTINCT
    SELECT game_id
    FROM nba_box_scores.player_game_summary
    WHERE game_date = @day
),

systems AS (
    SELECT COUNT(DISTINCT system_id) AS systems
    FROM nba_predictions.player_prop_predictions
    WHERE game_date = @day AND is_active IS NOT FALSE
)

SELECT
    ROUND(SAFE_DIVIDE(COALESCE(SUM(predicted.predictions), 0), COUNT(*)), 1) AS value,
    CONCAT(
        CAST(COALESCE(SUM(predicted.predictions), 0) AS STRING), ' predictions of ', CAST(MAX(systems.systems) AS STRING), ' systems for ',
        CAST(COUNT(*) AS STRING), ' games; ', CAST(COUNTIF(predicted.game_id IS NULL) AS STRING), ' games have none'
    ) AS detail
FROM games
LEFT JOIN predicted ON games.game_id = predicted.game_id
CROSS JOIN systems;
