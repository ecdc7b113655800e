-- Synthetic predictions of one date for the proofs and benchmarks: 6 systems, up to 100 lines half a point apart and one without a
-- line, and as many players in one game as it takes. Every row is a business key of its own.
-- Params: game_date DATE, predictions INT64
INSERT INTO nba_predictions.player_prop_predictions
(
    prediction_id, system_id, player_lookup, game_id, game_date, predicted_points, confidence_score, recommendation, current_points_line, created_at
)
SELECT
    CONCAT('made-up-', CAST(n AS STRING)) AS prediction_id,
    CONCAT('system', CAST(MOD(n, 6) AS STRING)) AS system_id,
    CONCAT('player', CAST(DIV(n, 606) AS STRING)) AS player_lookup,
    'game1' AS game_id,
    @game_date AS game_date,
    NUMERIC '1' * (10 + MOD(n, 23)) AS predicted_points,
    NUMERIC '0.01' * MOD(n, 100) AS confidence_score,
    IF(MOD(n, 2) = 0, 'OVER', 'UNDER') AS recommendation,
    IF(MOD(DIV(n, 6), 101) = 100, NULL, NUMERIC '0.5' * MOD(DIV(n, 6), 101)) AS current_points_line,
    TIMESTAMP(@game_date) AS created_at
FROM UNNEST(GENERATE_ARRAY(0, @predictions - 1)) AS n;
