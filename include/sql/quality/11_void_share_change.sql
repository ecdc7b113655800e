-- title: Share of voids among the grades of the day, against its last 30 graded dates.
-- unit: standard deviations from their mean; 0 within 5 points of it
-- warn_above: 4
-- needs_games: yes
-- next_step: Compare the box scores of the day with their source (a half-loaded one turns players into DNPs), then load them and grade again.
-- command: make backfill FROM=<day> TO=<day> REGRADE=1
-- runbook: void-share
-- Params: day DATE
WITH shares AS (
    SELECT
        game_date,
        SAFE_DIVIDE(COUNTIF(is_voided), COUNT(*)) AS share
    FROM nba_predictions.prediction_accuracy
    WHERE game_date BETWEEN CAST(DATE_SUB(@day, INTERVAL 365 DAY) AS DATE) AND @day
    GROUP BY game_date
),

earlier AS (
    SELECT share
    FROM shares
    WHERE game_date < @day
    QUALIFY ROW_NUMBER() OVER (ORDER BY game_date DESC) <= 30
),

usual AS (
    SELECT
        COUNT(*) AS dates,
        AVG(share) AS mean,
        STDDEV_SAMP(share) AS deviation
    FROM earlier
),

today AS (
    SELECT MAX(share) AS share
    FROM shares
    WHERE game_date = @day
)

SELECT
    CASE
        -- Fewer dates do not tell what is usual.
        WHEN today.share IS NULL OR usual.dates < 10 THEN NULL
        WHEN ABS(today.share - usual.mean) <= 0.05 THEN 0
        -- Dates that were all alike: any change of more than 5 points is far off.
        WHEN usual.deviation = 0 THEN 1000
        ELSE ROUND(ABS(today.share - usual.mean) / usual.deviation, 2)
    END AS value,
    CONCAT(
        FORMAT('%.1f', 100 * today.share), ' % of the grades are voids; the mean of ', CAST(usual.dates AS STRING), ' dates is ',
        FORMAT('%.1f', 100 * usual.mean), ' %'
    ) AS detail
FROM today
CROSS JOIN usual;
