-- Records one run of a guarded write; a repeat with the same grading_run_id adds nothing.
-- Params: one per column of grading_runs
INSERT INTO nba_predictions.grading_runs (
    grading_run_id, operation, game_date, dag_id, run_id, run_type, holder_id, fencing_token, leased, lease_wait_ms,
    gradable, graded, voided, pending, replaced, duplicates, started_at, finished_at, duration_ms, outcome, detail
)
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
    @lease_wait_ms AS lease_wait_ms,
    @gradable AS gradable,
    @graded AS graded,
    @voided AS voided,
    @pending AS pending,
    @replaced AS replaced,
    @duplicates AS duplicates,
    @started_at AS started_at,
    @finished_at AS finished_at,
    @duration_ms AS duration_ms,
    @outcome AS outcome,
    @detail AS detail
FROM (SELECT 1) AS one_row
WHERE NOT EXISTS (
    SELECT 1 FROM nba_predictions.grading_runs WHERE grading_run_id = @grading_run_id
);
