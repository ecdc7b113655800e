-- One row: how many games the day has, by its box scores and by its predictions, invalidated ones left out.
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
