-- One grade per gradable prediction of some game dates whose game has a complete box score; pending predictions get no row.
-- Read into a staging table, never straight into prediction_accuracy. The rules are numbered as in docs/grading-rules.md.
-- Params: game_dates ARRAY<DATE>, complete_minutes INT64, grading_run_id STRING
WITH
-- Rule 1: what is gradable, and one row per business key. The tie-breaks behind prediction_id make a rerun give the same rows.
gradable AS (
    SELECT *
    FROM nba_predictions.gradable_predictions
    WHERE game_date IN UNNEST(@game_dates)
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY game_date, game_id, player_lookup, system_id, current_points_line
        ORDER BY
            created_at DESC, prediction_id DESC,
            updated_at DESC, predicted_points DESC, confidence_score DESC, recommendation DESC
    ) = 1
),

-- Rule 3: the box score is there, and complete.
complete_games AS (
    SELECT
        game_date,
        game_id
    FROM nba_predictions.game_completeness
    WHERE game_date IN UNNEST(@game_dates) AND complete_minutes >= @complete_minutes
),

-- Rules 2 and 4: a player who is not in its box score, or did not play, voids the prediction.
matched AS (
    SELECT
        gradable.*,
        box_score.team_abbr,
        box_score.opponent_team_abbr,
        box_score.points,
        box_score.minutes_played,
        box_score.player_lookup IS NULL
        OR COALESCE(box_score.is_dnp, FALSE)
        OR box_score.points IS NULL
        OR (box_score.points = 0 AND COALESCE(box_score.minutes_played, 0) = 0) AS is_voided,
        UPPER(TRIM(gradable.injury_status_at_prediction)) AS injury_status
    FROM gradable
    INNER JOIN complete_games USING (game_date, game_id)
    LEFT JOIN nba_box_scores.player_game_summary AS box_score
        ON
            gradable.game_date = box_score.game_date
            AND gradable.game_id = box_score.game_id
            AND gradable.player_lookup = box_score.player_lookup
            AND box_score.game_date IN UNNEST(@game_dates)
),

-- Rule 5: errors and margins of a graded prediction; a voided one has none.
measured AS (
    SELECT
        *,
        IF(is_voided, NULL, predicted_points - points) AS signed_error,
        IF(is_voided, NULL, predicted_points - current_points_line) AS predicted_margin,
        IF(is_voided, NULL, points - current_points_line) AS actual_margin
    FROM matched
)

SELECT
    player_lookup,
    game_id,
    game_date,
    system_id,
    team_abbr,
    opponent_team_abbr,
    predicted_points,
    confidence AS confidence_score,
    LEAST(CAST(FLOOR(confidence * 10) AS INT64) + 1, 10) AS confidence_decile,
    recommendation,
    current_points_line AS line_value,
    line_source,
    sportsbook,
    points AS actual_points,
    minutes_played,
    ABS(signed_error) AS absolute_error,
    signed_error,
    -- A push has margin 0; a void or a missing line has none: both fall through to NULL.
    CASE
        WHEN recommendation = 'OVER' AND actual_margin != 0 THEN actual_margin > 0
        WHEN recommendation = 'UNDER' AND actual_margin != 0 THEN actual_margin < 0
    END AS prediction_correct,
    predicted_margin,
    actual_margin,
    ABS(signed_error) <= 3 AS within_3_points,
    ABS(signed_error) <= 5 AS within_5_points,
    is_voided,
    CASE
        WHEN NOT is_voided THEN NULL
        WHEN injury_status IN ('OUT', 'DOUBTFUL') THEN 'dnp_injury_confirmed'
        WHEN injury_status IN ('QUESTIONABLE', 'PROBABLE') THEN 'dnp_late_scratch'
        ELSE 'dnp_unknown'
    END AS void_reason,
    injury_status_at_prediction AS pre_game_injury_status,
    model_version,
    CURRENT_TIMESTAMP() AS graded_at,
    @grading_run_id AS grading_run_id
FROM measured
