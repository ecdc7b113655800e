-- One row per week, oldest first: how many rows of prediction_accuracy are surplus, that is, repeat a key, their rate, and the change
-- from the week before; and what the checks after the writes reported in that week (detections: dates found with duplicates, each time).
-- A week is seven days, the last week ends on `day`; `days` is rounded up to whole weeks. A week without rows has no rate.
-- Params: day DATE, days INT64
WITH
-- One week more than is returned, as the first is compared with the week before it.
weeks AS (
    SELECT
        weeks_ago,
        CAST(DATE_SUB(@day, INTERVAL 7 * weeks_ago + 6 DAY) AS DATE) AS week_start,
        CAST(DATE_SUB(@day, INTERVAL 7 * weeks_ago DAY) AS DATE) AS week_end
    FROM UNNEST(GENERATE_ARRAY(0, DIV((@days + 6), 7))) AS weeks_ago
),

grade_keys AS (
    SELECT
        DIV(DATE_DIFF(@day, game_date, DAY), 7) AS weeks_ago,
        COUNT(*) AS row_count
    FROM nba_predictions.prediction_accuracy
    WHERE
        game_date > DATE_SUB(@day, INTERVAL 7 * (DIV((@days + 6), 7) + 1) DAY)
        AND game_date <= @day
    GROUP BY game_date, player_lookup, game_id, system_id, line_value
),

counted AS (
    SELECT
        weeks_ago,
        SUM(row_count) AS row_count,
        SUM(row_count - 1) AS duplicates
    FROM grade_keys
    GROUP BY weeks_ago
),

-- The audit has a row per key found, each with the total of its detection.
detections AS (
    SELECT
        DIV(DATE_DIFF(@day, DATE(detected_at, 'America/New_York'), DAY), 7) AS weeks_ago,
        MAX(duplicate_count) AS duplicate_count
    FROM nba_predictions.grading_duplicate_audit
    WHERE
        processor = 'grading'
        AND DATE(detected_at, 'America/New_York') > DATE_SUB(@day, INTERVAL 7 * (DIV((@days + 6), 7) + 1) DAY)
        AND DATE(detected_at, 'America/New_York') <= @day
        -- The same in the table's partitions, which are days in UTC.
        AND detected_at >= TIMESTAMP(DATE_SUB(@day, INTERVAL 7 * (DIV((@days + 6), 7) + 1) DAY))
        AND detected_at < TIMESTAMP(DATE_ADD(@day, INTERVAL 2 DAY))
    GROUP BY detected_at, game_date
),

detected AS (
    SELECT
        weeks_ago,
        COUNT(*) AS detections,
        SUM(duplicate_count) AS detected_duplicates
    FROM detections
    GROUP BY weeks_ago
),

rates AS (
    SELECT
        weeks.weeks_ago,
        weeks.week_start,
        weeks.week_end,
        COALESCE(counted.row_count, 0) AS row_count,
        COALESCE(counted.duplicates, 0) AS duplicates,
        SAFE_DIVIDE(counted.duplicates, counted.row_count) AS duplicate_rate,
        COALESCE(detected.detections, 0) AS detections,
        COALESCE(detected.detected_duplicates, 0) AS detected_duplicates
    FROM weeks
    LEFT JOIN counted USING (weeks_ago)
    LEFT JOIN detected USING (weeks_ago)
),

changes AS (
    SELECT
        *,
        duplicate_rate - LAG(duplicate_rate) OVER (ORDER BY weeks_ago DESC) AS rate_change
    FROM rates
)

SELECT
    week_start,
    week_end,
    row_count,
    duplicates,
    duplicate_rate,
    rate_change,
    detections,
    detected_duplicates
FROM changes
WHERE weeks_ago < DIV((@days + 6), 7)
ORDER BY week_start;
