-- Records what became of some dates in guarded writes: a new row for each, or the row of the same grading_run_id and date brought up to date
-- by a later task of the run.
-- Params: runs STRING: a JSON array with an object for each row, since TIMESTAMP: no row that is brought up to date started before
MERGE INTO nba_predictions.grading_runs AS stored
USING (
    SELECT
        JSON_VALUE(run, '$.grading_run_id') AS grading_run_id,
        JSON_VALUE(run, '$.operation') AS operation,
        CAST(JSON_VALUE(run, '$.game_date') AS DATE) AS game_date,
        JSON_VALUE(run, '$.dag_id') AS dag_id,
        JSON_VALUE(run, '$.run_id') AS run_id,
        JSON_VALUE(run, '$.run_type') AS run_type,
        JSON_VALUE(run, '$.holder_id') AS holder_id,
        CAST(JSON_VALUE(run, '$.fencing_token') AS INT64) AS fencing_token,
        CAST(JSON_VALUE(run, '$.leased') AS BOOL) AS leased,
        JSON_VALUE(run, '$.unleased_reason') AS unleased_reason,
        CAST(JSON_VALUE(run, '$.lease_wait_ms') AS INT64) AS lease_wait_ms,
        CAST(JSON_VALUE(run, '$.gradable') AS INT64) AS gradable,
        CAST(JSON_VALUE(run, '$.graded') AS INT64) AS graded,
        CAST(JSON_VALUE(run, '$.voided') AS INT64) AS voided,
        CAST(JSON_VALUE(run, '$.pending') AS INT64) AS pending,
        CAST(JSON_VALUE(run, '$.pending_no_box_score') AS INT64) AS pending_no_box_score,
        CAST(JSON_VALUE(run, '$.pending_incomplete') AS INT64) AS pending_incomplete,
        CAST(JSON_VALUE(run, '$.incomplete_games') AS INT64) AS incomplete_games,
        CAST(JSON_VALUE(run, '$.written') AS INT64) AS written,
        CAST(JSON_VALUE(run, '$.replaced') AS INT64) AS replaced,
        CAST(JSON_VALUE(run, '$.duplicates') AS INT64) AS duplicates,
        CAST(JSON_VALUE(run, '$.started_at') AS TIMESTAMP) AS started_at,
        CAST(JSON_VALUE(run, '$.finished_at') AS TIMESTAMP) AS finished_at,
        CAST(JSON_VALUE(run, '$.duration_ms') AS INT64) AS duration_ms,
        JSON_VALUE(run, '$.outcome') AS outcome,
        JSON_VALUE(run, '$.detail') AS detail
    FROM UNNEST(JSON_QUERY_ARRAY(@runs)) AS run
) AS fresh
    ON
        stored.started_at >= @since
        AND stored.grading_run_id = fresh.grading_run_id
        AND stored.game_date IS NOT DISTINCT FROM fresh.game_date
WHEN MATCHED THEN
    UPDATE SET
        operation = fresh.operation,
        dag_id = fresh.dag_id,
        run_id = fresh.run_id,
        run_type = fresh.run_type,
        holder_id = fresh.holder_id,
        fencing_token = fresh.fencing_token,
        leased = fresh.leased,
        unleased_reason = fresh.unleased_reason,
        lease_wait_ms = fresh.lease_wait_ms,
        gradable = fresh.gradable,
        graded = fresh.graded,
        voided = fresh.voided,
        pending = fresh.pending,
        pending_no_box_score = fresh.pending_no_box_score,
        pending_incomplete = fresh.pending_incomplete,
        incomplete_games = fresh.incomplete_games,
        written = fresh.written,
        replaced = fresh.replaced,
        duplicates = fresh.duplicates,
        started_at = fresh.started_at,
        finished_at = fresh.finished_at,
        duration_ms = fresh.duration_ms,
        outcome = fresh.outcome,
        detail = fresh.detail
WHEN NOT MATCHED THEN
    INSERT (grading_run_id, operation, game_date, dag_id, run_id, run_type, holder_id, fencing_token, leased, unleased_reason, lease_wait_ms, gradable, graded, voided, pending, pending_no_box_score, pending_incomplete, incomplete_games, written, replaced, duplicates, started_at, finished_at, duration_ms, outcome, detail)
    VALUES (fresh.grading_run_id, fresh.operation, fresh.game_date, fresh.dag_id, fresh.run_id, fresh.run_type, fresh.holder_id, fresh.fencing_token, fresh.leased, fresh.unleased_reason, fresh.lease_wait_ms, fresh.gradable, fresh.graded, fresh.voided, fresh.pending, fresh.pending_no_box_score, fresh.pending_incomplete, fresh.incomplete_games, fresh.written, fresh.replaced, fresh.duplicates, fresh.started_at, fresh.finished_at, fresh.duration_ms, fresh.outcome, fresh.detail);
