-- Box scores for the synthetic predictions of one date: all players, one in ten of whom did not play. The game is complete: two teams, the
-- minutes of each of which add up to 240 or more; also of a date whose predictions are all of one player.
-- Params: game_date DATE, predictions INT64
INSERT INTO nba_box_scores.player_game_summary (player_lookup, game_id, game_date, team_abbr, points, minutes_played, is_dnp)
SELECT
    CONCAT('player', CAST(n AS STRING)) AS player_lookup,
    'game1' AS game_id,
    @game_date AS game_date,
    IF(MOD(n, 2) = 0, 'HOM', 'AWY') AS team_abbr,
    10 + MOD(n, 25) AS points,
    NUMERIC '240' AS minutes_played,
    MOD(n, 10) = 9 AS is_dnp
FROM UNNEST(GENERATE_ARRAY(0, 1 + DIV(@predictions - 1, 606))) AS n;
