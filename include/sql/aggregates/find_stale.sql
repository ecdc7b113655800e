-- One row per partition of an aggregate that was not made from the grades as they are now: the target, the partition, and the version that
-- makes it fresh. For a date that is the version of its grades, for the last day of some periods the sum over the dates they cover. Read
-- from the fences alone: a publish of grades raises a version, and an aggregate's fence says which version it was made from.
-- Params: none. Text: periods, the SELECT of aggregates/periods_fragment
WITH
grades AS (
    SELECT
        game_date,
        MAX(version) AS version,
        MAX(published_rows) AS published_rows
    FROM nba_predictions.write_fences_prediction_accuracy
    -- Not in a HAVING, where version would be the maximum itself.
    WHERE version > 0
    GROUP BY game_date
),

summaries AS (
    SELECT
        'prediction_performance_summary' AS target,
        game_date AS period_end_date,
        MAX(source_version) AS source_version,
        MAX(published_rows) AS published_rows
    FROM nba_predictions.write_fences_prediction_performance_summary
    GROUP BY game_date
    UNION ALL
    SELECT
        'system_market_performance' AS target,
        game_date AS period_end_date,
        MAX(source_version) AS source_version,
        MAX(published_rows) AS published_rows
    FROM nba_predictions.write_fences_system_market_performance
    GROUP BY game_date
),

days AS (
    SELECT
        'system_daily_performance' AS target,
        game_date,
        MAX(source_version) AS source_version
    FROM nba_predictions.write_fences_system_daily_performance
    GROUP BY game_date
    UNION ALL
    SELECT
        'player_daily_performance' AS target,
        game_date,
        MAX(source_version) AS source_version
    FROM nba_predictions.write_fences_player_daily_performance
    GROUP BY game_date
    UNION ALL
    SELECT
        'settled_bets' AS target,
        game_date,
        MAX(source_version) AS source_version
    FROM nba_predictions.write_fences_settled_bets
    GROUP BY game_date
),

-- Each graded date ends its rolling periods, and is in a month and a season. So did a date whose grades are gone, while its partition has rows.
candidates AS (
    SELECT
        game_date AS period_end_date,
        TRUE AS is_graded
    FROM grades
    WHERE published_rows > 0
    UNION ALL
    SELECT
        LAST_DAY(game_date) AS period_end_date,
        FALSE AS is_graded
    FROM grades
    UNION ALL
    SELECT
        DATE(EXTRACT(YEAR FROM game_date) + IF(EXTRACT(MONTH FROM game_date) >= 10, 1, 0), 9, 30) AS period_end_date,
        FALSE AS is_graded
    FROM grades
    UNION ALL
    SELECT
        summaries.period_end_date,
        TRUE AS is_graded
    FROM summaries
    INNER JOIN grades ON summaries.period_end_date = grades.game_date
    WHERE summaries.published_rows > 0
),

ends AS (
    SELECT
        period_end_date,
        LOGICAL_OR(is_graded) AS is_graded
    FROM candidates
    GROUP BY period_end_date
),

periods AS (
    {periods}
),

-- Always the days of a rolling period as well: whether one ends on a date depends on rows of the partition, and writing those must not
-- change the version that makes it fresh. It matters for February, the one month that is shorter. The cast is for the emulator.
longest AS (
    SELECT
        period_end_date,
        LEAST(MIN(period_start_date), CAST(DATE_SUB(period_end_date, INTERVAL 29 DAY) AS DATE)) AS period_start_date
    FROM periods
    GROUP BY period_end_date
),

expected AS (
    SELECT
        longest.period_end_date,
        SUM(grades.version) AS version
    FROM longest
    INNER JOIN grades ON grades.game_date BETWEEN longest.period_start_date AND longest.period_end_date
    GROUP BY longest.period_end_date
)

SELECT
    target,
    grades.game_date AS partition_date,
    grades.version
FROM grades
CROSS JOIN UNNEST(['system_daily_performance', 'player_daily_performance', 'settled_bets']) AS target
LEFT JOIN days USING (target, game_date)
WHERE days.source_version IS DISTINCT FROM grades.version
UNION ALL
SELECT
    target,
    expected.period_end_date AS partition_date,
    expected.version
FROM expected
CROSS JOIN UNNEST(['prediction_performance_summary', 'system_market_performance']) AS target
LEFT JOIN summaries USING (target, period_end_date)
WHERE summaries.source_version IS DISTINCT FROM expected.version
ORDER BY target, partition_date;
