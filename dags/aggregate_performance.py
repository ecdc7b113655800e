"""
Aggregate the grades of one game date by system and day, and by player, confidence tier and period.

**What.** Replaces the date in `system_daily_performance`, under the lease `daily_performance_<game_date>`. Then replaces each outdated
partition of `prediction_performance_summary` whose periods contain the date: the 7 and 30 days that end on each graded date, the month and
the season. A partition is the last day of its periods (30 September for a season), and is written under the lease
`performance_summary_<last day>`. A run adds one row to `grading_runs`, and one more for each of these partitions.

**When.** After each run of `grade_predictions` that wrote a date; from the UI with a `game_date`. One run at a time: a period that also
covers another date with a waiting run is left to that run, so a backfill computes a season a few times, not once per date.

**If it fails.** Each partition holds either its old rows or one complete write. Slack gives the next step. The next run of the date, or
of any date in the same period, writes whatever is outdated; trigger it with the `game_date`.

**Safe to rerun?** Yes, at any time. Periods that are up to date are left alone.

**Params.** `game_date`: the date whose grades changed, YYYY-MM-DD; empty means the date that was graded. `use_lease`: on, off, or as
configured. `override_breaker`: run although the circuit breaker is open.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import PartitionedAssetTimetable, get_current_context, task

from nba_grading.airflow.assets import GRADES
from nba_grading.airflow.dag_defaults import GRADING_POOL, WRITE_TIMEOUT, WRITING_RUN_TIMEOUT, grading_dag
from nba_grading.airflow.operators.check import CheckOperator
from nba_grading.airflow.operators.write import GuardedWriteOperator
from nba_grading.airflow.operators.write_batch import GuardedBatchOperator
from nba_grading.airflow.params import OVERRIDE_BREAKER, USE_LEASE, optional_date
from nba_grading.airflow.tasks.record_run import record_guarded_run

CHECKED_DATE = "{{ ti.xcom_pull(task_ids='check_inputs')['game_date'] }}"


@grading_dag(
    __doc__,
    schedule=PartitionedAssetTimetable(assets=GRADES),
    recorded=True,
    dagrun_timeout=WRITING_RUN_TIMEOUT,
    tags=["grading", "aggregates"],
    params={
        "game_date": optional_date("Game date", "Date whose grades changed, YYYY-MM-DD. Empty: the date that was graded."),
        "use_lease": USE_LEASE,
        "override_breaker": OVERRIDE_BREAKER,
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
