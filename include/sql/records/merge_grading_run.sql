-- Records one run of a guarded write: a new row, or the same grading_run_id's row brought up to date by a later task of the run.
-- Params: one per column of grading_runs
MERGE INTO nba_predictions.grading_runs AS stored
USING (
    SELECT
        @grading_run_id AS grading_run_id,
        @operation AS operation,
        @game_date AS game_date,
        @dag_id AS dag_id,
        @run_id AS run_id,
        @run_type AS run_type,
        @holder_id AS holder_id,
        @fencing_token AS fencing_token,
        @leased AS leased,
        @unleased_reason AS unleased_reason,
        @lease_wait_ms AS lease_wait_ms,
        @gradable AS gradable,
        @graded AS graded,
        @voided AS voided,
        @pending AS pending,
        @written AS written,
        @replaced AS replaced,
        @duplicates AS duplicates,
        @started_at AS started_at,
        @finished_at AS finished_at,
        @duration_ms AS duration_ms,
        @outcome AS outcome,
        @detail AS detail
) AS fresh
    ON stored.grading_run_id = fresh.grading_run_id
WHEN MATCHED THEN
    UPDATE SET
        operation = fresh.operation,
        game_date = fresh.game_date,
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
        written = fresh.written,
        replaced = fresh.replaced,
        duplicates = fresh.duplicates,
        started_at = fresh.started_at,
        finished_at = fresh.finished_at,
        duration_ms = fresh.duration_ms,
        outcome = fresh.outcome,
        detail = fresh.detail
WHEN NOT MATCHED THEN
    INSERT (grading_run_id, operation, game_date, dag_id, run_id, run_type, holder_id, fencing_token, leased, unleased_reason, lease_wait_ms, gradable, graded, voided, pending, written, replaced, duplicates, started_at, finished_at, duration_ms, outcome, detail)
    VALUES (fresh.grading_run_id, fresh.operation, fresh.game_date, fresh.dag_id, fresh.run_id, fresh.run_type, fresh.holder_id, fresh.fencing_token, fresh.leased, fresh.unleased_reason, fresh.lease_wait_ms, fresh.gradable, fresh.graded, fresh.voided, fresh.pending, fresh.written, fresh.replaced, fresh.duplicates, fresh.started_at, fresh.finished_at, fresh.duration_ms, fresh.outcome, fresh.detail);
