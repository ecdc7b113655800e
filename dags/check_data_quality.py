"""
Check the data of a day: duplicates, volume, ungraded predictions, confidences, freshness, corrections, orphaned tables.

**What.** Makes every check of `include/sql/quality`, one SELECT each, and holds its figure against its thresholds. Stores all results in
`data_quality_results`. When something is off, Slack gets one summary of the day: each finding with its figure, its threshold and the next
step, and what else is open; when all is right again, it says so. On a day without games the checks that need them say so. Duplicates go
to `grading_duplicate_audit`, and a few of them (`GRADING_AUTO_REPAIR_ROWS`) are removed by a run of `remove_duplicates`.

**When.** Daily at 12:30 New York, for the day before, when the longest wait for box scores is over.

**If it fails.** A check did not run: the summary names it with its error, and the others were made all the same. Clear the task once that
is mended.

**Safe to rerun?** Yes: a run's results are stored once.

**Params.** `day`: the day to look at, YYYY-MM-DD; empty means the day before the run's.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Param, dag, get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.dag_defaults import START_DATE, default_args
from nba_grading.airflow.tasks.quality import check_quality
from nba_grading.airflow.tasks.validate import REPAIR_DAG


@dag(
    schedule=CronTriggerTimetable("30 12 * * *", timezone="America/New_York"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args=default_args(),
    doc_md=__doc__,
    tags=["grading", "quality"],
    params={
        "day": Param(None, type=["null", "string"], format="date", description="Day to look at, YYYY-MM-DD. Empty: the day before the run's."),
    },
)
def check_data_quality() -> None:
    @task
    def check() -> list[dict[str, Any]]:
        return check_quality(get_current_context())

    TriggerDagRunOperator.partial(task_id="repair_small_finds", trigger_dag_id=REPAIR_DAG).expand(conf=check())


check_data_quality()
