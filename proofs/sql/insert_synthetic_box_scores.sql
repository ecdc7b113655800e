-- Box scores for the synthetic predictions of one date: all players, one in ten of whom did not play.
-- Params: game_date DATE, predictions INT64
INSERT INTO nba_box_scores.player_game_summary (player_lookup, game_id, game_date, points, minutes_played, is_dnp)
SELECT
    CONCAT('player', CAST(n AS STRING)) AS player_lookup,
    'game1' AS game_id,
    @game_date AS game_date,
    10 + MOD(n, 25) AS points,
    NUMERIC '30' AS minutes_played,
    MOD(n, 10) = 9 AS is_dnp
FROM UNNEST(GENERATE_ARRAY(0, DIV(@predictions - 1, 606))) AS n;
