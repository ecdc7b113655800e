-- Always one row: a system's MAE, placeholders, volume and win rate over the 7 days that end on `day`, and whether each meets its target.
-- A placeholder is a gradable prediction without content: no predicted points; OVER or UNDER without a line; or a line whose source
-- calls it a placeholder, a default or a bootstrap value (ESTIMATED_AVG is an estimate, not a placeholder).
-- Volume is consistent if the system predicted on every day with a box score, and its predictions per game vary by at most max_variation
-- (the standard deviation over the mean of those days). They are taken per game, as a day has 1 to 15 games.
-- MAE and win rate are those of the bets of record, the interval is that of clustered_rates. A target with nothing to measure is not met.
-- Params: day DATE, system_id STRING, mae NUMERIC, win_rate NUMERIC, max_variation NUMERIC. Text: clustered_rates, the SELECT of
-- statistics/clustered_rates_fragment
WITH
gradable AS (
    SELECT
        game_date,
        game_id,
        player_lookup,
        predicted_points IS NULL
        OR (COALESCE(recommendation, '') IN ('OVER', 'UNDER') AND current_points_line IS NULL)
        OR REGEXP_CONTAINS(UPPER(COALESCE(line_source, '')), 'PLACEHOLDER|DEFAULT|BOOTSTRAP') AS is_placeholder
    FROM nba_predictions.gradable_predictions
    WHERE
        game_date > DATE_SUB(@day, INTERVAL 7 DAY)
        AND game_date <= @day
        AND system_id = @system_id
    -- Of several rows of one key, the one that grading takes.
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY game_date, game_id, player_lookup, current_points_line
        ORDER BY created_at DESC NULLS LAST, prediction_id DESC NULLS LAST
    ) = 1
),

counted AS (
    SELECT
        game_date,
        COUNT(*) AS predictions
    FROM gradable
    GROUP BY game_date
),

game_days AS (
    SELECT
        game_date,
        COUNT(DISTINCT game_id) AS games
    FROM nba_box_scores.player_game_summary
    WHERE
        game_date > DATE_SUB(@day, INTERVAL 7 DAY)
        AND game_date <= @day
    GROUP BY game_date
),

volumes AS (
    SELECT
        COUNT(*) AS game_days,
        COUNTIF(counted.predictions IS NULL) AS silent_days,
        AVG(COALESCE(counted.predictions, 0)) AS predictions_per_day,
        SAFE_DIVIDE(
            STDDEV_POP(COALESCE(counted.predictions, 0) / game_days.games),
            AVG(COALESCE(counted.predictions, 0) / game_days.games)
        ) AS volume_variation
    FROM game_days
    LEFT JOIN counted USING (game_date)
),

predicted AS (
    SELECT
        COUNT(*) AS predictions,
        COUNTIF(is_placeholder) AS placeholders
    FROM gradable
),

settled AS (
    SELECT *
    FROM nba_predictions.settled_bets
    WHERE
        game_date > DATE_SUB(@day, INTERVAL 7 DAY)
        AND game_date <= @day
        AND system_id = @system_id
),

measured AS (
    SELECT
        COUNT(absolute_error) AS errors,
        CAST(AVG(absolute_error) AS FLOAT64) AS mae
    FROM settled
),

bets AS (
    SELECT
        system_id,
        0 AS confidence_decile,
        game_date,
        result = 'won' AS is_won
    FROM settled
    WHERE result IN ('won', 'lost')
),

rates AS (
    {clustered_rates}
),

-- One row also where there is no bet; BigQuery has no outer join without an equality of two columns.
decided_bets AS (
    SELECT
        COALESCE(MAX(decided), 0) AS decided,
        COALESCE(MAX(won), 0) AS won,
        MAX(win_rate) AS win_rate,
        MAX(win_rate_low) AS win_rate_low,
        MAX(win_rate_high) AS win_rate_high
    FROM rates
)

SELECT
    @system_id AS system_id,
    predicted.predictions,
    measured.errors,
    measured.mae,
    predicted.placeholders,
    volumes.game_days,
    volumes.silent_days,
    volumes.predictions_per_day,
    volumes.volume_variation,
    decided_bets.decided,
    decided_bets.won,
    decided_bets.win_rate,
    decided_bets.win_rate_low,
    decided_bets.win_rate_high,
    COALESCE(measured.mae <= @mae, FALSE) AS is_mae_met,
    predicted.predictions > 0 AND predicted.placeholders = 0 AS is_placeholders_met,
    COALESCE(volumes.silent_days = 0 AND volumes.volume_variation <= @max_variation, FALSE) AS is_volume_met,
    COALESCE(decided_bets.win_rate >= @win_rate, FALSE) AS is_win_rate_met
FROM predicted
CROSS JOIN measured
CROSS JOIN volumes
CROSS JOIN decided_bets;
