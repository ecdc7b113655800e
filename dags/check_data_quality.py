"""
Check the data of one day: duplicates, volume, ungraded predictions, confidences, freshness, corrections, orphaned tables.

**What.** Runs every check of `include/sql/quality`, one SELECT each, compares its value with its thresholds, and stores all results in
`data_quality_results`. When a check does not pass, Slack gets one summary of the day: each finding with its value, its threshold and the
next step, and the other open incidents. When every check passes again, the same thread says so. Checks that need games are skipped on a day
without. Duplicates are recorded in `grading_duplicate_audit`; up to `GRADING_AUTO_REPAIR_ROWS` of them start a run of `remove_duplicates`.

**When.** Daily at 12:30 New York, for the day before, after the longest wait for box scores.

**If it fails.** A check did not run: the summary names it with its error. The other checks ran. Fix the cause, then clear the task.

**Safe to rerun?** Yes: the results of a run are stored once.

**Params.** `day`: the day to check, YYYY-MM-DD; empty means the day before the run's date.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.dag_defaults import grading_dag
from nba_grading.airflow.params import optional_date
from nba_grading.airflow.tasks.quality import check_quality
from nba_grading.airflow.tasks.validate import REPAIR_DAG


@grading_dag(
    __doc__,
    schedule=CronTriggerTimetable("30 12 * * *", timezone="America/New_York"),
    dagrun_timeout=timedelta(hours=4),
    tags=["grading", "quality"],
    params={
        "day": optional_date("Day", "Day to check, YYYY-MM-DD. Empty: the day before the run's date."),
    },
)
def check_data_quality() -> None:
    @task
    def check() -> list[dict[str, Any]]:
        return check_quality(get_current_context())

    TriggerDagRunOperator.partial(task_id="repair_small_finds", trigger_dag_id=REPAIR_DAG).expand(conf=check())


check_data_quality()
