-- One row: what there is to grade on a game date, and against what.
-- Params: game_date DATE
WITH
gradable AS (
    SELECT DISTINCT
        game_id,
        player_lookup,
        system_id,
        current_points_line
    FROM nba_predictions.gradable_predictions
    WHERE game_date = @game_date
),

gradable_games AS (
    SELECT DISTINCT game_id
    FROM gradable
),

played_games AS (
    SELECT DISTINCT game_id
    FROM nba_box_scores.player_game_summary
    WHERE game_date = @game_date
)

SELECT
    (SELECT COUNT(*) FROM gradable) AS gradable,
    (SELECT COUNT(*) FROM gradable_games) AS games,
    (SELECT COUNT(*) FROM gradable_games INNER JOIN played_games USING (game_id)) AS games_with_box_score,
    (SELECT COUNT(*) FROM nba_predictions.prediction_accuracy WHERE game_date = @game_date) AS stored_rows;
