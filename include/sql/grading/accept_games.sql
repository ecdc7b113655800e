-- Accepts the box scores of some games of a date as they are; a game that is accepted already is left as it is.
-- Params: game_date DATE, games ARRAY<STRING>, accepted_by STRING
INSERT INTO nba_predictions.accepted_games (game_date, game_id, accepted_at, accepted_by)
WITH known AS (
    SELECT DISTINCT game_id
    FROM nba_predictions.accepted_games
    WHERE game_date = @game_date
)

SELECT
    @game_date AS game_date,
    accepted_game AS game_id,
    CURRENT_TIMESTAMP() AS accepted_at,
    @accepted_by AS accepted_by
FROM UNNEST(@games) AS accepted_game
LEFT JOIN known ON accepted_game = known.game_id
WHERE known.game_id IS NULL;
