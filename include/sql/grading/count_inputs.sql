-- One row per date: what there is to grade on it, and against what. Counts games: predicted, of these with a box score, of these complete;
-- pending_games names the first ten that are not complete, and why.
-- Params: game_dates ARRAY<DATE>, complete_minutes INT64
WITH
keys AS (
    SELECT DISTINCT
        game_date,
        game_id,
        player_lookup,
        system_id,
        current_points_line
    FROM nba_predictions.gradable_predictions
    WHERE game_date IN UNNEST(@game_dates)
),

box_scores AS (
    SELECT
        game_date,
        game_id,
        complete_minutes >= @complete_minutes AS is_complete,
        CASE
            WHEN teams != 2 THEN CONCAT('rows of ', CAST(teams AS STRING), IF(teams = 1, ' team', ' teams'))
            ELSE CONCAT('a team has ', FORMAT('%.1f', CAST(least_minutes AS FLOAT64)), ' minutes')
        END AS found
    FROM nba_predictions.game_completeness
    WHERE game_date IN UNNEST(@game_dates)
),

games AS (
    SELECT
        keys.game_date,
        keys.game_id,
        COUNT(*) AS gradable,
        LOGICAL_OR(box_scores.game_id IS NOT NULL) AS has_box_score,
        LOGICAL_OR(COALESCE(box_scores.is_complete, FALSE)) AS is_complete,
        MAX(COALESCE(box_scores.found, 'no box score')) AS found
    FROM keys
    LEFT JOIN box_scores USING (game_date, game_id)
    GROUP BY keys.game_date, keys.game_id
),

predicted AS (
    SELECT
        game_date,
        SUM(gradable) AS gradable,
        COUNT(*) AS games,
        COUNTIF(has_box_score) AS games_with_box_score,
        COUNTIF(is_complete) AS complete_games,
        SUM(IF(has_box_score, 0, gradable)) AS pending_no_box_score,
        SUM(IF(has_box_score AND NOT is_complete, gradable, 0)) AS pending_incomplete,
        STRING_AGG(IF(is_complete, NULL, CONCAT(game_id, ' (', found, ')')), ', ' ORDER BY game_id LIMIT 10) AS pending_games
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
    COALESCE(predicted.complete_games, 0) AS complete_games,
    COALESCE(predicted.pending_no_box_score, 0) AS pending_no_box_score,
    COALESCE(predicted.pending_incomplete, 0) AS pending_incomplete,
    predicted.pending_games,
    COALESCE(stored.stored_rows, 0) AS stored_rows
FROM UNNEST(@game_dates) AS counted_date
LEFT JOIN predicted ON counted_date = predicted.game_date
LEFT JOIN stored ON counted_date = stored.game_date
ORDER BY counted_date;
