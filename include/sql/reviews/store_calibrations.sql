-- The fits of one day as rows of confidence_calibration.
-- Read into a staging table.
-- Params: game_dates ARRAY<DATE>: the day, fits STRING: a JSON array with an object for each system, grading_run_id STRING
SELECT
    fitted_on,
    JSON_VALUE(fit, '$.system_id') AS system_id,
    JSON_VALUE(fit, '$.points') AS points,
    CAST(JSON_VALUE(fit, '$.fitted_bets') AS INT64) AS fitted_bets,
    CAST(JSON_VALUE(fit, '$.held_out_bets') AS INT64) AS held_out_bets,
    CAST(JSON_VALUE(fit, '$.brier_before') AS FLOAT64) AS brier_before,
    CAST(JSON_VALUE(fit, '$.brier_after') AS FLOAT64) AS brier_after,
    CAST(JSON_VALUE(fit, '$.calibration_error_before') AS FLOAT64) AS calibration_error_before,
    CAST(JSON_VALUE(fit, '$.calibration_error_after') AS FLOAT64) AS calibration_error_after,
    CAST(JSON_VALUE(fit, '$.accepted') AS BOOL) AS accepted,
    CURRENT_TIMESTAMP() AS computed_at,
    @grading_run_id AS grading_run_id
FROM UNNEST(@game_dates) AS fitted_on
CROSS JOIN UNNEST(JSON_QUERY_ARRAY(@fits)) AS fit
