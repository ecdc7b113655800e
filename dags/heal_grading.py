"""
Find dates with games that are complete and not graded, or were corrected after they were graded, and grade them again.

**What.** Looks back 60 days for gradable predictions without a grade whose game is complete, and for grades older than the latest
correction of their box score. Starts one run of `backfill_grades` for the oldest of these dates, five a day, lists the others, and
sends a message to Slack if something was found. Every hour it looks at yesterday alone, for games whose box score was late: from the
time when the scheduled run of `grade_predictions` no longer waits for them.

**When.** All dates at 08:00 New York and when triggered by hand; yesterday every hour from 09:00 to 23:00.

**If it fails.** Nothing is changed; the next day's run looks again.

**Safe to rerun?** Yes: a date that has been graded meanwhile is not found.

**Params.** None; `GRADING_HEAL_DAYS` and `GRADING_HEAL_DATES` are settings.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.callbacks import resolve_on_success
from nba_grading.airflow.dag_defaults import grading_dag
from nba_grading.airflow.tasks.regrade import find_dates_to_heal


@grading_dag(
    __doc__,
    schedule=CronTriggerTimetable("0 8-23 * * *", timezone="America/New_York"),
    dagrun_timeout=timedelta(hours=4),
    tags=["grading", "maintenance"],
)
def heal_grading() -> None:
    @task(on_skipped_callback=resolve_on_success)
    def find() -> list[dict[str, Any]]:
        return find_dates_to_heal(get_current_context())

    TriggerDagRunOperator.partial(task_id="regrade", trigger_dag_id="backfill_grades").expand(conf=find())


heal_grading()
