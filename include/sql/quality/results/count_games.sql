-- One row: the number of games of a day, counted in its box scores and its valid predictions.
-- Params: day DATE
WITH games AS (
    SELECT game_id
    FROM nba_box_scores.player_game_summary
    WHERE game_date = @day
    UNION DISTINCT
    SELECT game_id
    FROM nba_predictions.gradable_predictions
    WHERE game_date = @day
)

SELECT COUNT(*) AS games
FROM games;
