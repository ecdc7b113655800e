"""
Merge the staging tables of one batch of predictions into one game date.

**What.** Each prediction worker writes a table `_staging_batch_<batch>_<worker>`. This merges all tables of one batch into one `game_date`
of `player_prop_predictions`, in one fenced transaction, under the lease `consolidation_<game_date>`. Of several rows with one key the latest
`created_at` wins. A key that exists keeps its `prediction_id` and `created_at`, and takes values that are newer than its own. Then the date
is checked for duplicates and announced to the DAGs that follow. A staging table is dropped once all its rows are proven to be merged.

**When.** When the workers of the prediction coordinator are done, or by hand: trigger it with `batch_id` and `game_date`.

**If it fails.** The date holds either its old rows or one complete merge, and every staging table that is not merged still exists. A batch
with an unknown column, or with rows of another date, is refused before anything is written; the message names the table and the column. A
batch without tables ends as `no_staging_tables`. After three failed runs in a row the circuit breaker opens.

**Safe to rerun?** Yes, at any time, and next to any other run: merging a batch again changes nothing.

**Params.** `batch_id`: the batch, letters and digits (an underscore ends it in the tables' names). `game_date`: the date of its games,
YYYY-MM-DD, at most 14 days ahead. `use_lease`: on, off, or as configured. `override_breaker`: run although the circuit breaker is open.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Param, get_current_context, task

from nba_grading.airflow.assets import PREDICTIONS
from nba_grading.airflow.dag_defaults import GRADING_POOL, WRITE_TIMEOUT, WRITING_RUN_TIMEOUT, grading_dag
from nba_grading.airflow.operators.check import CheckBatchOperator
from nba_grading.airflow.operators.write import GuardedWriteOperator
from nba_grading.airflow.params import OVERRIDE_BREAKER, USE_LEASE, full_match
from nba_grading.airflow.tasks.consolidation import validate_consolidated_date
from nba_grading.airflow.tasks.record_run import record_guarded_run
from nba_grading.airflow.tasks.validate import REPAIR_DAG
from nba_grading.warehouse.tables import BATCH_ID_PATTERN


@grading_dag(
    __doc__,
    schedule=None,
    recorded=True,
    dagrun_timeout=WRITING_RUN_TIMEOUT,
    max_active_runs=16,
    tags=["predictions"],
    params={
        "batch_id": Param(type="string", pattern=full_match(BATCH_ID_PATTERN), title="Batch", description="Batch whose staging tables are merged."),
        "game_date": Param(type="string", format="date", title="Game date", description="Date of the batch's games, YYYY-MM-DD."),
        "use_lease": USE_LEASE,
        "override_breaker": OVERRIDE_BREAKER,
    },
)
def consolidate_predictions() -> None:
    batch = CheckBatchOperator(task_id="check_inputs", operation="consolidation")

    consolidate = GuardedWriteOperator(
        task_id="consolidate",
        operation="consolidation",
        work="nba_grading.pipelines.consolidate:consolidate_date",
        work_params=("batch_id",),
        game_date="{{ ti.xcom_pull(task_ids='check_inputs')['game_date'] }}",
        pool=GRADING_POOL,
        execution_timeout=WRITE_TIMEOUT,
    )

    @task(outlets=[PREDICTIONS])
    def validate(reported: list[dict[str, Any]], checked: dict[str, Any]) -> list[dict[str, Any]]:
        return validate_consolidated_date(get_current_context(), checked["game_date"], reported)

    @task(trigger_rule="all_done")
    def record_run() -> dict[str, Any]:
        return record_guarded_run(get_current_context(), operation="consolidation", write_task="consolidate", success="consolidated")

    validated = validate(consolidate.output, batch.output)  # type: ignore[arg-type]
    batch >> consolidate >> validated >> record_run().as_teardown()
    TriggerDagRunOperator.partial(task_id="repair_small_finds", trigger_dag_id=REPAIR_DAG).expand(conf=validated)


consolidate_predictions()
