-- One row per team of the games of a date: what its box-score rows add up to, and the bound up to which the game counts as complete; with the
-- row of one player, where that team has one.
-- Params: game_date DATE, player_lookup STRING, complete_minutes INT64
WITH teams AS (
    SELECT
        game_id,
        team_abbr,
        COUNT(*) AS box_score_rows,
        SUM(minutes_played) AS minutes
    FROM nba_box_scores.player_game_summary
    WHERE game_date = @game_date
    GROUP BY game_id, team_abbr
),

players AS (
    SELECT
        game_id,
        team_abbr,
        points,
        minutes_played,
        is_dnp,
        updated_at,
        TRUE AS has_row
    FROM nba_box_scores.player_game_summary
    WHERE game_date = @game_date AND player_lookup = @player_lookup
)

SELECT
    teams.game_id,
    teams.team_abbr,
    teams.box_score_rows,
    teams.minutes,
    games.is_unknown,
    games.is_accepted,
    games.complete_minutes >= @complete_minutes AS is_complete,
    COALESCE(players.has_row, FALSE) AS has_player,
    players.points,
    players.minutes_played,
    players.is_dnp,
    players.updated_at
FROM teams
INNER JOIN nba_predictions.game_completeness AS games ON teams.game_id = games.game_id AND games.game_date = @game_date
LEFT JOIN players ON teams.game_id = players.game_id AND teams.team_abbr IS NOT DISTINCT FROM players.team_abbr
ORDER BY teams.game_id, teams.team_abbr;
