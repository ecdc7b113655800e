-- One row per period that ends on a date of `ends` (period_end_date DATE, is_graded BOOL), which the enclosing statement defines:
-- the one place that says what a period is. Rolling periods end only on dates that have grades. The casts to DATE change nothing in
-- BigQuery; the emulator makes a timestamp of a date less some days.
-- Params: none
SELECT
    period_end_date,
    'rolling_7d' AS period_type,
    FORMAT_DATE('%Y-%m-%d', period_end_date) AS period_value,
    CAST(DATE_SUB(period_end_date, INTERVAL 6 DAY) AS DATE) AS period_start_date
FROM ends
WHERE is_graded
UNION ALL
SELECT
    period_end_date,
    'rolling_30d' AS period_type,
    FORMAT_DATE('%Y-%m-%d', period_end_date) AS period_value,
    CAST(DATE_SUB(period_end_date, INTERVAL 29 DAY) AS DATE) AS period_start_date
FROM ends
WHERE is_graded
UNION ALL
SELECT
    period_end_date,
    'month' AS period_type,
    FORMAT_DATE('%Y-%m', period_end_date) AS period_value,
    CAST(DATE_TRUNC(period_end_date, MONTH) AS DATE) AS period_start_date
FROM ends
WHERE period_end_date = LAST_DAY(period_end_date)
UNION ALL
SELECT
    period_end_date,
    'season' AS period_type,
    CONCAT(FORMAT_DATE('%Y', DATE_SUB(period_end_date, INTERVAL 1 YEAR)), '-', FORMAT_DATE('%y', period_end_date)) AS period_value,
    CAST(DATE_ADD(DATE_SUB(period_end_date, INTERVAL 1 YEAR), INTERVAL 1 DAY) AS DATE) AS period_start_date
FROM ends
WHERE EXTRACT(MONTH FROM period_end_date) = 9 AND EXTRACT(DAY FROM period_end_date) = 30
