"""
Sum up the grades of one game date: figures per system and day, and the summary by period, player and confidence tier.

**What.** Replaces the date of `system_daily_performance`, under the lease `daily_performance_<game_date>`. Then replaces every partition
of `prediction_performance_summary` with a period that contains the date and does not show the grades as they are now: the 7 and 30
days that end on each graded date, its month, its season. A partition is the last day of its periods (the season's is 30 September),
written under the lease `performance_summary_<last day>`. A run leaves one row in `grading_runs`, and one for each of these partitions.

**When.** After each run of `grade_predictions` that wrote a date; from the UI with a `game_date`. One run at a time: a period that also
covers a date graded meanwhile is left to that date's run, so a backfill computes a season a few times, not once a date.

**If it fails.** Each partition holds what it held before, or one complete write. Slack says what to do. The next run of the same date,
or of any date that shares the period, finds what is stale and writes it; trigger it with the `game_date`.

**Safe to rerun?** Yes, at any time; periods that are up to date are left alone.

**Params.** `game_date`: the date whose grades changed, YYYY-MM-DD; empty means the date that was graded. `use_lease`: off for emergencies,
behind the fence alone; empty means the setting. `override_breaker`: run although the circuit breaker is open.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, PartitionedAssetTimetable, dag, get_current_context, task

from nba_grading.airflow.assets import GRADES
from nba_grading.airflow.dag_defaults import GRADING_POOL, START_DATE, WRITE_TIMEOUT, default_args
from nba_grading.airflow.operators.check import CheckOperator
from nba_grading.airflow.operators.write import GuardedWriteOperator
from nba_grading.airflow.operators.write_batch import GuardedBatchOperator
from nba_grading.airflow.tasks.record_run import record_guarded_run

CHECKED_DATE = "{{ ti.xcom_pull(task_ids='check_inputs')['game_date'] }}"


@dag(
    schedule=PartitionedAssetTimetable(assets=GRADES),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args=default_args(recorded=True),
    doc_md=__doc__,
    tags=["grading", "aggregates"],
    params={
        "game_date": Param(None, type=["null", "string"], format="date", description="Date whose grades changed, YYYY-MM-DD. Empty: the graded one."),
        "use_lease": Param(None, type=["null", "boolean"], description="Off: write behind the fence alone, for emergencies. Empty: the setting."),
        "override_breaker": Param(False, type="boolean", description="Run although the circuit breaker is open."),
    },
)
def aggregate_performance() -> None:
    inputs = CheckOperator(task_id="check_inputs", operation="daily_performance")

    day = GuardedWriteOperator(
        task_id="aggregate_day",
        operation="daily_performance",
        work="nba_grading.pipelines.aggregate:aggregate_day",
        game_date=CHECKED_DATE,
        pool=GRADING_POOL,
        execution_timeout=WRITE_TIMEOUT,
    )

    periods = GuardedBatchOperator(
        task_id="aggregate_periods",
        operation="performance_summary",
        find_dates="nba_grading.pipelines.aggregate:find_stale_periods",
        work="nba_grading.pipelines.aggregate:aggregate_periods",
        success="aggregated",
        game_date=CHECKED_DATE,
        pool=GRADING_POOL,
        execution_timeout=WRITE_TIMEOUT,
    )

    @task(trigger_rule="all_done")
    def record_run() -> dict[str, Any]:
        return record_guarded_run(
            get_current_context(), operation="daily_performance", write_task="aggregate_day", last_task="aggregate_periods", success="aggregated"
        )

    inputs >> day >> periods >> record_run().as_teardown()


aggregate_performance()
