-- One row per date of the range that has gradable predictions, grades or a grading run. Counts keys: gradable, of these pending (no
-- complete box score yet), graded, voided. Counts games: predicted, of these pending, of these incomplete. Counts surplus rows per key of the grades. Also the newest grading
-- run and its outcome.
-- Params: first DATE, last DATE, complete_minutes INT64
WITH gradable AS (
    SELECT DISTINCT
        game_date,
        game_id,
        player_lookup,
        system_id,
        current_points_line
    FROM nba_predictions.gradable_predictions
    WHERE
        game_date BETWEEN @first AND @last
),

predicted_games AS (
    SELECT
        game_date,
        game_id,
        COUNT(*) AS gradable
    FROM gradable
    GROUP BY game_date, game_id
),

box_scores AS (
    SELECT
        game_date,
        game_id,
        complete_minutes >= @complete_minutes AS is_complete
    FROM nba_predictions.game_completeness
    WHERE game_date BETWEEN @first AND @last
),

expected AS (
    SELECT
        predicted_games.game_date,
        SUM(predicted_games.gradable) AS gradable,
        SUM(IF(COALESCE(box_scores.is_complete, FALSE), 0, predicted_games.gradable)) AS pending,
        COUNT(*) AS games,
        COUNTIF(NOT COALESCE(box_scores.is_complete, FALSE)) AS pending_games,
        COUNTIF(NOT box_scores.is_complete) AS incomplete_games
    FROM predicted_games
    LEFT JOIN box_scores
        ON predicted_games.game_date = box_scores.game_date AND predicted_games.game_id = box_scores.game_id
    GROUP BY predicted_games.game_date
),

stored_keys AS (
    SELECT
        game_date,
        LOGICAL_OR(is_voided) AS voided,
        COUNT(*) - 1 AS surplus
    FROM nba_predictions.prediction_accuracy
    WHERE game_date BETWEEN @first AND @last
    GROUP BY game_date, player_lookup, game_id, system_id, line_value
),

stored AS (
    SELECT
        game_date,
        COUNTIF(NOT COALESCE(voided, FALSE)) AS graded,
        COUNTIF(voided) AS voided,
        SUM(surplus) AS duplicates
    FROM stored_keys
    GROUP BY game_date
),

runs AS (
    SELECT
        game_date,
        dag_id,
        run_id,
        outcome,
        detail,
        ROW_NUMBER() OVER (PARTITION BY game_date ORDER BY started_at DESC, grading_run_id ASC) AS newest_first
    FROM nba_predictions.grading_runs
    WHERE
        started_at >= TIMESTAMP(@first)
        AND operation = 'grading'
        AND game_date BETWEEN @first AND @last
),

dates AS (
    SELECT game_date FROM expected
    UNION DISTINCT
    SELECT game_date FROM stored
    UNION DISTINCT
    SELECT game_date FROM runs
)

SELECT
    dates.game_date,
    COALESCE(expected.gradable, 0) AS gradable,
    COALESCE(expected.pending, 0) AS pending,
    COALESCE(expected.games, 0) AS games,
    COALESCE(expected.pending_games, 0) AS pending_games,
    COALESCE(expected.incomplete_games, 0) AS incomplete_games,
    COALESCE(stored.graded, 0) AS graded,
    COALESCE(stored.voided, 0) AS voided,
    COALESCE(stored.duplicates, 0) AS duplicates,
    runs.dag_id,
    runs.run_id,
    runs.outcome,
    runs.detail
FROM dates
LEFT JOIN expected ON dates.game_date = expected.game_date
LEFT JOIN stored ON dates.game_date = stored.game_date
LEFT JOIN runs ON dates.game_date = runs.game_date AND runs.newest_first = 1
ORDER BY dates.game_date;
