-- One row per date: what there is to grade on it, and against what.
-- Params: game_dates ARRAY<DATE>
WITH
gradable AS (
    SELECT DISTINCT
        game_date,
        game_id,
        player_lookup,
        system_id,
        current_points_line
    FROM nba_predictions.gradable_predictions
    WHERE game_date IN UNNEST(@game_dates)
),

played_games AS (
    SELECT DISTINCT
        game_date,
        game_id
    FROM nba_box_scores.player_game_summary
    WHERE game_date IN UNNEST(@game_dates)
),

games AS (
    SELECT
        gradable.game_date,
        gradable.game_id,
        COUNT(*) AS gradable,
        LOGICAL_OR(played_games.game_id IS NOT NULL) AS is_played
    FROM gradable
    LEFT JOIN played_games USING (game_date, game_id)
    GROUP BY gradable.game_date, gradable.game_id
),

predicted AS (
    SELECT
        game_date,
        SUM(gradable) AS gradable,
        COUNT(*) AS games,
        COUNTIF(is_played) AS games_with_box_score
    FROM games
    GROUP BY game_date
),

stored AS (
    SELECT
        game_date,
        COUNT(*) AS stored_rows
    FROM nba_predictions.prediction_accuracy
    WHERE game_date IN UNNEST(@game_dates)
    GROUP BY game_date
)

SELECT
    counted_date,
    COALESCE(predicted.gradable, 0) AS gradable,
    COALESCE(predicted.games, 0) AS games,
    COALESCE(predicted.games_with_box_score, 0) AS games_with_box_score,
    COALESCE(stored.stored_rows, 0) AS stored_rows
FROM UNNEST(@game_dates) AS counted_date
LEFT JOIN predicted ON counted_date = predicted.game_date
LEFT JOIN stored ON counted_date = stored.game_date
ORDER BY counted_date;
