"""
Refresh the aggregates of the grades: by system and day, by player and day, and by period, player and confidence tier.

**What.** Asks which partitions were made from other grades than there are now, and replaces those: of `system_daily_performance` and
`player_daily_performance` the dates whose grades changed, then of `prediction_performance_summary` the 7 and 30 days that end on a graded
date, the month and the season. A partition of the summary is the last day of its periods (30 September for a season). Up to 32
partitions are one write, each under a lease of its own. Each adds a row to `grading_runs`.

**When.** After each task that changed grades, and daily at 13:00 New York in case an event was lost. One run at a time: the events that
arrive during a run are one next run, which refreshes whatever is stale by then.

**If it fails.** Each partition holds either its old rows or one complete write. Slack gives the next step. The next run writes whatever is
stale; trigger it without parameters.

**Safe to rerun?** Yes, at any time. What is fresh is left alone.

**Params.** `use_lease`: on, off, or as configured. `override_breaker`: run although the circuit breaker is open.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, get_current_context, task

from nba_grading.airflow.assets import GRADES
from nba_grading.airflow.dag_defaults import GRADING_POOL, WRITE_TIMEOUT, WRITING_RUN_TIMEOUT, grading_dag
from nba_grading.airflow.operators.refresh import RefreshAggregatesOperator
from nba_grading.airflow.params import OVERRIDE_BREAKER, USE_LEASE
from nba_grading.airflow.tasks.record_run import record_guarded_run


@grading_dag(
    __doc__,
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("0 13 * * *", timezone="America/New_York"), assets=[GRADES]),
    recorded=True,
    dagrun_timeout=WRITING_RUN_TIMEOUT,
    tags=["grading", "aggregates"],
    params={
        "use_lease": USE_LEASE,
        "override_breaker": OVERRIDE_BREAKER,
    },
)
def aggregate_performance() -> None:
    # Before the grading tasks that wait for a slot: one refresh follows many of them.
    refresh = RefreshAggregatesOperator(task_id="refresh", pool=GRADING_POOL, priority_weight=100, execution_timeout=WRITE_TIMEOUT)

    @task(trigger_rule="all_done")
    def record_run() -> dict[str, Any]:
        return record_guarded_run(
            get_current_context(), "daily_performance", check_task=None, write_task="refresh", last_task="refresh", success="aggregated"
        )

    refresh >> record_run().as_teardown()


aggregate_performance()
