"""
Find dates that were left ungraded, or graded before their box score was corrected, and have them graded (again).

**What.** Looks back 60 days, up to the day before yesterday, for gradable predictions whose game has a box score but that have no
grade, and for grades older than the latest correction of their box score. Starts a run of `grade_predictions` for the oldest of these
dates, five a day; the others are listed. Tells Slack only if something was found.

**When.** Daily at 08:00 New York.

**If it fails.** Nothing is changed; the next day looks again.

**Safe to rerun?** Yes: dates that are right by then are not found.

**Params.** None; `GRADING_HEAL_DAYS` and `GRADING_HEAL_DATES` are settings.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import dag, get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.callbacks import resolve_on_success
from nba_grading.airflow.dag_defaults import START_DATE, default_args
from nba_grading.airflow.tasks.regrade import find_dates_to_heal


@dag(
    schedule=CronTriggerTimetable("0 8 * * *", timezone="America/New_York"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args=default_args(),
    doc_md=__doc__,
    tags=["grading", "maintenance"],
)
def heal_grading() -> None:
    @task(on_skipped_callback=resolve_on_success)
    def find() -> list[dict[str, Any]]:
        return find_dates_to_heal(get_current_context())

    TriggerDagRunOperator.partial(task_id="regrade", trigger_dag_id="grade_predictions").expand(conf=find())


heal_grading()
