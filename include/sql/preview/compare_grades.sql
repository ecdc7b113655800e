-- One row per date, system and change: how many keys a regrade would change so. Every key that is stored or staged has exactly one change:
-- new, gone_no_box_score, gone_incomplete, gone_not_gradable, void_to_graded, graded_to_void, actual_changed (the box score),
-- prediction_changed (the prediction's own columns), rule_changed (another value from equal inputs), or unchanged.
-- A key that is stored more than once is compared by its newest row. Keys are compared with NULL equal to NULL.
-- Params: game_dates ARRAY<DATE>, complete_minutes INT64. Identifiers: staging
WITH
stored AS (
    SELECT *
    FROM nba_predictions.prediction_accuracy
    WHERE game_date IN UNNEST(@game_dates)
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY game_date, player_lookup, game_id, system_id, line_value
        ORDER BY graded_at DESC, fencing_token DESC, grading_run_id DESC
    ) = 1
),

games AS (
    SELECT
        game_date,
        game_id,
        complete_minutes >= @complete_minutes AS is_complete
    FROM nba_predictions.game_completeness
    WHERE game_date IN UNNEST(@game_dates)
),

changes AS (
    SELECT
        staged.game_date,
        staged.system_id,
        CASE
            WHEN stored.game_id IS NULL THEN 'new'
            WHEN stored.is_voided AND NOT staged.is_voided THEN 'void_to_graded'
            WHEN NOT stored.is_voided AND staged.is_voided THEN 'graded_to_void'
            WHEN
                stored.actual_points IS DISTINCT FROM staged.actual_points
                OR stored.minutes_played IS DISTINCT FROM staged.minutes_played
                OR stored.team_abbr IS DISTINCT FROM staged.team_abbr
                OR stored.opponent_team_abbr IS DISTINCT FROM staged.opponent_team_abbr
                THEN 'actual_changed'
            WHEN
                stored.predicted_points IS DISTINCT FROM staged.predicted_points
                OR stored.confidence_score IS DISTINCT FROM staged.confidence_score
                OR stored.recommendation IS DISTINCT FROM staged.recommendation
                OR stored.line_source IS DISTINCT FROM staged.line_source
                OR stored.sportsbook IS DISTINCT FROM staged.sportsbook
                OR stored.pre_game_injury_status IS DISTINCT FROM staged.pre_game_injury_status
                OR stored.model_version IS DISTINCT FROM staged.model_version
                THEN 'prediction_changed'
            WHEN
                stored.confidence_decile IS DISTINCT FROM staged.confidence_decile
                OR stored.absolute_error IS DISTINCT FROM staged.absolute_error
                OR stored.signed_error IS DISTINCT FROM staged.signed_error
                OR stored.prediction_correct IS DISTINCT FROM staged.prediction_correct
                OR stored.predicted_margin IS DISTINCT FROM staged.predicted_margin
                OR stored.actual_margin IS DISTINCT FROM staged.actual_margin
                OR stored.within_3_points IS DISTINCT FROM staged.within_3_points
                OR stored.within_5_points IS DISTINCT FROM staged.within_5_points
                OR stored.void_reason IS DISTINCT FROM staged.void_reason
                THEN 'rule_changed'
            ELSE 'unchanged'
        END AS change
    FROM {staging} AS staged
    LEFT JOIN stored
        ON
            staged.game_date = stored.game_date
            AND staged.player_lookup = stored.player_lookup
            AND staged.game_id = stored.game_id
            AND staged.system_id = stored.system_id
            AND staged.line_value IS NOT DISTINCT FROM stored.line_value
    UNION ALL
    SELECT
        stored.game_date,
        stored.system_id,
        CASE
            WHEN games.game_id IS NULL THEN 'gone_no_box_score'
            WHEN NOT games.is_complete THEN 'gone_incomplete'
            ELSE 'gone_not_gradable'
        END AS change
    FROM stored
    LEFT JOIN {staging} AS staged
        ON
            stored.game_date = staged.game_date
            AND stored.player_lookup = staged.player_lookup
            AND stored.game_id = staged.game_id
            AND stored.system_id = staged.system_id
            AND stored.line_value IS NOT DISTINCT FROM staged.line_value
    LEFT JOIN games ON stored.game_date = games.game_date AND stored.game_id = games.game_id
    WHERE staged.game_id IS NULL
)

SELECT
    game_date,
    system_id,
    change,
    COUNT(*) AS key_count
FROM changes
GROUP BY game_date, system_id, change
ORDER BY game_date, system_id, change;
