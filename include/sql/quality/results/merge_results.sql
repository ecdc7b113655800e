-- Stores the results of one run. Storing them again replaces them.
-- Params: run_id STRING, checked_at TIMESTAMP, day DATE, results STRING: a JSON array with an object for each result
MERGE INTO nba_predictions.data_quality_results AS stored
USING (
    SELECT
        JSON_VALUE(result, '$.check_name') AS check_name,
        JSON_VALUE(result, '$.status') AS status,
        CAST(JSON_VALUE(result, '$.value') AS NUMERIC(38, 9)) AS value,
        JSON_VALUE(result, '$.unit') AS unit,
        CAST(JSON_VALUE(result, '$.warn_below') AS NUMERIC(38, 9)) AS warn_below,
        CAST(JSON_VALUE(result, '$.warn_above') AS NUMERIC(38, 9)) AS warn_above,
        CAST(JSON_VALUE(result, '$.fail_below') AS NUMERIC(38, 9)) AS fail_below,
        CAST(JSON_VALUE(result, '$.fail_above') AS NUMERIC(38, 9)) AS fail_above,
        JSON_VALUE(result, '$.detail') AS detail,
        CAST(JSON_VALUE(result, '$.duration_ms') AS INT64) AS duration_ms
    FROM UNNEST(JSON_QUERY_ARRAY(@results)) AS result
) AS fresh
    ON
        stored.checked_at >= TIMESTAMP_SUB(@checked_at, INTERVAL 30 DAY)
        AND stored.run_id = @run_id
        AND stored.check_name = fresh.check_name
WHEN MATCHED THEN
    UPDATE SET
        checked_at = @checked_at,
        day = @day,
        status = fresh.status,
        value = fresh.value,
        unit = fresh.unit,
        warn_below = fresh.warn_below,
        warn_above = fresh.warn_above,
        fail_below = fresh.fail_below,
        fail_above = fresh.fail_above,
        detail = fresh.detail,
        duration_ms = fresh.duration_ms
WHEN NOT MATCHED THEN
    INSERT (run_id, check_name, checked_at, day, status, value, unit, warn_below, warn_above, fail_below, fail_above, detail, duration_ms)
    VALUES (
        @run_id, fresh.check_name, @checked_at, @day, fresh.status, fresh.value, fresh.unit, fresh.warn_below, fresh.warn_above,
        fresh.fail_below, fresh.fail_above, fresh.detail, fresh.duration_ms
    );
