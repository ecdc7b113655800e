"""
Merge the staging tables of one batch of predictions into one game date.

**What.** Every prediction worker writes a table `_staging_batch_<batch>_<worker>`. This merges all tables of one batch into one `game_date`
of `player_prop_predictions`, in one fenced transaction, under the lease `consolidation_<game_date>`. Of several rows of a key the latest
`created_at` wins; a key that is there keeps its `prediction_id` and `created_at`, and takes values that are newer than its own. Then the date
is checked for duplicates, and announced to the DAGs that follow. Staging tables are dropped once every row of theirs is proven merged.

**When.** When the prediction coordinator's workers are done, or by hand: trigger it with `batch_id` and `game_date`.

**If it fails.** The date holds what it held before, or one complete merge; the staging tables that are not in it are still there. A batch
with an unknown column, or rows of another date, is refused before anything is touched, with the names of table and column. A batch
without tables ends as `no_staging_tables`. After three failed runs in a row the circuit breaker opens.

**Safe to rerun?** Yes, at any time, and next to any other run: the second merge of a batch changes nothing.

**Params.** `batch_id`: the batch, letters and digits (an underscore ends it in the tables' names). `game_date`: the date of its games,
YYYY-MM-DD, at most 14 days ahead. `use_lease`: off for emergencies, behind the fence alone; empty means the setting.
`override_breaker`: run although the circuit breaker is open.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Param, dag, get_current_context, task

from nba_grading.airflow.assets import PREDICTIONS
from nba_grading.airflow.dag_defaults import GRADING_POOL, START_DATE, WRITE_TIMEOUT, default_args
from nba_grading.airflow.operators.check import CheckBatchOperator
from nba_grading.airflow.operators.write import GuardedWriteOperator
from nba_grading.airflow.tasks.consolidation import validate_consolidated_date
from nba_grading.airflow.tasks.record_run import record_guarded_run
from nba_grading.airflow.tasks.validate import REPAIR_DAG
from nba_grading.warehouse.tables import BATCH_ID_PATTERN


@dag(
    schedule=None,
    start_date=START_DATE,
    catchup=False,
    max_active_runs=16,
    default_args=default_args(recorded=True),
    doc_md=__doc__,
    tags=["predictions"],
    params={
        "batch_id": Param(type="string", pattern=BATCH_ID_PATTERN, description="The batch whose staging tables are merged."),
        "game_date": Param(type="string", format="date", description="Date of the batch's games, YYYY-MM-DD."),
        "use_lease": Param(None, type=["null", "boolean"], description="Off: write behind the fence alone, for emergencies. Empty: the setting."),
        "override_breaker": Param(False, type="boolean", description="Run although the circuit breaker is open."),
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
    def validate(reported: dict[str, Any], checked: dict[str, Any]) -> list[dict[str, Any]]:
        return validate_consolidated_date(get_current_context(), checked["game_date"], reported)

    @task(trigger_rule="all_done")
    def record_run() -> dict[str, Any]:
        return record_guarded_run(get_current_context(), operation="consolidation", write_task="consolidate", success="consolidated")

    validated = validate(consolidate.output, batch.output)  # type: ignore[arg-type]
    batch >> consolidate >> validated >> record_run().as_teardown()
    TriggerDagRunOperator.partial(task_id="repair_small_finds", trigger_dag_id=REPAIR_DAG).expand(conf=validated)


consolidate_predictions()
