-- One row per game that has a box score: what its rows add up to, and up to which bound it counts as complete (docs/grading-rules.md, rule 3).
-- A game is complete if complete_minutes >= the bound. Filter by game_date, which prunes the table behind it.
CREATE OR REPLACE VIEW nba_predictions.game_completeness
OPTIONS (description = 'Games with a box score, and up to which bound of minutes a team each is complete')
AS
WITH teams AS (
    SELECT
        game_date,
        game_id,
        team_abbr,
        COUNT(*) AS box_score_rows,
        SUM(minutes_played) AS minutes,
        LOGICAL_OR(COALESCE(points > 0, FALSE)) AS has_points
    FROM nba_box_scores.player_game_summary
    GROUP BY game_date, game_id, team_abbr
),

games AS (
    SELECT
        game_date,
        game_id,
        SUM(box_score_rows) AS box_score_rows,
        COUNT(team_abbr) AS teams,
        MIN(IF(team_abbr IS NULL, NULL, COALESCE(minutes, 0))) AS least_minutes,
        LOGICAL_OR(minutes IS NOT NULL) AS has_minutes,
        LOGICAL_OR(has_points) AS has_points
    FROM teams
    GROUP BY game_date, game_id
),

accepted AS (
    SELECT DISTINCT
        game_date,
        game_id,
        TRUE AS is_accepted
    FROM nba_predictions.accepted_games
)

SELECT
    game_date,
    game_id,
    games.box_score_rows,
    games.teams,
    games.least_minutes,
    games.has_minutes,
    -- Players scored, and no row has minutes: the source has none. Rows of players who did not play, alone, are a part of a box score.
    games.has_points AND NOT games.has_minutes AS is_unknown,
    COALESCE(accepted.is_accepted, FALSE) AS is_accepted,
    -- Accepted, or without minutes, which cannot be judged: complete for every bound. Otherwise by the team with the fewest minutes.
    CASE
        WHEN accepted.is_accepted OR (games.has_points AND NOT games.has_minutes) THEN 1000000
        WHEN games.teams = 2 THEN GREATEST(games.least_minutes, 0)
        ELSE 0
    END AS complete_minutes
FROM games
LEFT JOIN accepted USING (game_date, game_id);
