-- Synthetic grades of many dates for the benchmark: 10,000 a date from the first one on, of 8 systems, 250 players and 5 lines, in the
-- order of their dates, as a season of nights leaves them. One player in ten did not play.
-- Params: first_date DATE, first INT64 and last INT64: the numbers of the rows, the first of all being 0
INSERT INTO nba_predictions.prediction_accuracy
(
    player_lookup, game_id, game_date, system_id, team_abbr, opponent_team_abbr, predicted_points, confidence_score, confidence_decile,
    recommendation, line_value, line_source, sportsbook, actual_points, minutes_played, absolute_error, signed_error, prediction_correct,
    predicted_margin, actual_margin, within_3_points, within_5_points, is_voided, void_reason, model_version, graded_at, grading_run_id,
    fencing_token
)
WITH
numbered AS (
    SELECT
        n,
        DIV(n, 10000) AS day,
        MOD(DIV(n, 8), 250) AS player,
        MOD(DIV(n, 2000), 5) + 15 AS floor_of_line,
        MOD(n * 7, 23) + 10 AS predicted,
        MOD(n * 13, 31) + 5 AS actual,
        MOD(DIV(n, 8), 10) = 9 AS is_voided
    FROM UNNEST(GENERATE_ARRAY(@first, @last)) AS n
)

SELECT
    CONCAT('player', CAST(player AS STRING)) AS player_lookup,
    CONCAT('game', CAST(DIV(player, 25) AS STRING)) AS game_id,
    CAST(DATE_ADD(@first_date, INTERVAL day DAY) AS DATE) AS game_date,
    CONCAT('system', CAST(MOD(n, 8) AS STRING)) AS system_id,
    'AAA' AS team_abbr,
    'BBB' AS opponent_team_abbr,
    predicted AS predicted_points,
    MOD(n, 100) * NUMERIC '0.01' AS confidence_score,
    DIV(MOD(n, 100), 10) + 1 AS confidence_decile,
    IF(MOD(n, 2) = 0, 'OVER', 'UNDER') AS recommendation,
    floor_of_line + NUMERIC '0.5' AS line_value,
    'ACTUAL_PROP' AS line_source,
    'sportsbook' AS sportsbook,
    actual AS actual_points,
    IF(is_voided, 0, 30) AS minutes_played,
    IF(is_voided, NULL, ABS(predicted - actual)) AS absolute_error,
    IF(is_voided, NULL, predicted - actual) AS signed_error,
    IF(is_voided, NULL, (actual > floor_of_line) = (MOD(n, 2) = 0)) AS prediction_correct,
    IF(is_voided, NULL, predicted - floor_of_line - NUMERIC '0.5') AS predicted_margin,
    IF(is_voided, NULL, actual - floor_of_line - NUMERIC '0.5') AS actual_margin,
    IF(is_voided, NULL, ABS(predicted - actual) <= 3) AS within_3_points,
    IF(is_voided, NULL, ABS(predicted - actual) <= 5) AS within_5_points,
    is_voided,
    IF(is_voided, 'dnp_unknown', NULL) AS void_reason,
    'v1' AS model_version,
    TIMESTAMP '2026-01-01 12:00:00' AS graded_at,
    'made-up' AS grading_run_id,
    1 AS fencing_token
FROM numbered;
