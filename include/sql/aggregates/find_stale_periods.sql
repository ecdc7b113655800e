-- One row per partition of the summary with a period that contains a game date and that does not show the grades as they are now:
-- another version or number of them, or periods too many or too few; and how many of the dates it covers are awaited, that is, were
-- graded within some minutes and are not in system_daily_performance yet: their own run is to come, and it looks at this partition too.
-- Not by computed_at: grades that were staged before a summary read and published after it are older than it, and not in it.
-- Params: game_date DATE, patience_minutes INT64. Text: periods, the SELECT of aggregates/periods_fragment
WITH
graded_dates AS (
    SELECT
        game_date,
        COUNT(*) AS predictions,
        MAX(graded_at) AS graded_at,
        UNIX_MICROS(MAX(graded_at)) AS grades_version
    FROM nba_predictions.prediction_accuracy
    WHERE game_date BETWEEN DATE_SUB(@game_date, INTERVAL 1 YEAR) AND DATE_ADD(@game_date, INTERVAL 1 YEAR)
    GROUP BY game_date
),

aggregated_dates AS (
    SELECT
        game_date,
        MAX(grades_version) AS grades_version
    FROM nba_predictions.system_daily_performance
    WHERE game_date BETWEEN DATE_SUB(@game_date, INTERVAL 1 YEAR) AND DATE_ADD(@game_date, INTERVAL 1 YEAR)
    GROUP BY game_date
),

awaited_dates AS (
    SELECT graded_dates.game_date
    FROM graded_dates
    LEFT JOIN aggregated_dates USING (game_date)
    WHERE
        graded_dates.game_date != @game_date
        AND graded_dates.graded_at > TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL @patience_minutes MINUTE)
        AND aggregated_dates.grades_version IS DISTINCT FROM graded_dates.grades_version
),

stored_periods AS (
    SELECT
        period_end_date,
        period_type,
        SUM(predictions) AS predictions,
        MAX(grades_version) AS grades_version
    FROM nba_predictions.prediction_performance_summary
    WHERE
        period_end_date BETWEEN @game_date AND DATE_ADD(@game_date, INTERVAL 1 YEAR)
        AND player_lookup = '*'
        AND confidence_tier = '*'
    GROUP BY period_end_date, period_type
),

-- The rolling periods that contain the date end within 30 days; its month and season end where they end.
candidates AS (
    SELECT
        game_date AS period_end_date,
        TRUE AS is_graded
    FROM graded_dates
    WHERE game_date BETWEEN @game_date AND DATE_ADD(@game_date, INTERVAL 29 DAY)
    UNION ALL
    SELECT
        period_end_date,
        FALSE AS is_graded
    FROM stored_periods
    WHERE period_end_date BETWEEN @game_date AND DATE_ADD(@game_date, INTERVAL 29 DAY)
    UNION ALL
    SELECT
        LAST_DAY(@game_date) AS period_end_date,
        FALSE AS is_graded
    UNION ALL
    SELECT
        DATE(EXTRACT(YEAR FROM @game_date) + IF(EXTRACT(MONTH FROM @game_date) >= 10, 1, 0), 9, 30) AS period_end_date,
        FALSE AS is_graded
),

-- The last day of a month or season may lie beyond the 30 days and be graded: its partition then holds rolling periods, too.
ends AS (
    SELECT
        candidates.period_end_date,
        LOGICAL_OR(candidates.is_graded OR graded_dates.game_date IS NOT NULL) AS is_graded
    FROM candidates
    LEFT JOIN graded_dates ON candidates.period_end_date = graded_dates.game_date
    GROUP BY candidates.period_end_date
),

periods AS (
    {periods}
),

expected_periods AS (
    SELECT
        periods.period_end_date,
        periods.period_type,
        SUM(graded_dates.predictions) AS predictions,
        SUM(graded_dates.grades_version) AS grades_version
    FROM periods
    INNER JOIN graded_dates ON graded_dates.game_date BETWEEN periods.period_start_date AND periods.period_end_date
    GROUP BY periods.period_end_date, periods.period_type
),

differences AS (
    SELECT
        period_end_date,
        period_type
    FROM expected_periods
    LEFT JOIN stored_periods USING (period_end_date, period_type)
    WHERE
        stored_periods.grades_version IS DISTINCT FROM expected_periods.grades_version
        OR stored_periods.predictions IS DISTINCT FROM expected_periods.predictions
    UNION ALL
    SELECT
        period_end_date,
        period_type
    FROM stored_periods
    INNER JOIN ends USING (period_end_date)
    LEFT JOIN expected_periods USING (period_end_date, period_type)
    WHERE expected_periods.predictions IS NULL
),

-- A join of its own: BigQuery has no outer join without an equality.
awaited_ends AS (
    SELECT
        periods.period_end_date,
        COUNT(DISTINCT awaited_dates.game_date) AS awaited_dates
    FROM periods
    INNER JOIN awaited_dates ON awaited_dates.game_date BETWEEN periods.period_start_date AND periods.period_end_date
    GROUP BY periods.period_end_date
)

SELECT
    differences.period_end_date,
    COALESCE(MAX(awaited_ends.awaited_dates), 0) AS awaited_dates
FROM differences
LEFT JOIN awaited_ends USING (period_end_date)
GROUP BY differences.period_end_date
ORDER BY differences.period_end_date;
