"""
Drop staging tables whose rows are all in the main table.

**What.** Examines every `_staging_*` table: those that prediction workers left after a batch, and those that a guarded write left when it
was killed. A table older than 7 days is dropped if every row of it is in the main table; any other is kept, with the reason. The result
lists each table with its age, rows, bytes and verdict.

**When.** Daily at 09:00 New York, as a dry run unless its default is changed; by hand without.

**If it fails.** The tables that were dropped held nothing that the main table lacks; all others are still there.

**Safe to rerun?** Yes.

**Params.** `dry_run`: drop nothing. `older_than_days`: examine only tables of at least this age, 1 day or more: a younger one may be in use.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.dag_defaults import grading_dag
from nba_grading.airflow.params import DRY_RUN
from nba_grading.airflow.tasks.staging_cleanup import clean_staging


@grading_dag(
    __doc__,
    schedule=CronTriggerTimetable("0 9 * * *", timezone="America/New_York"),
    dagrun_timeout=timedelta(hours=4),
    tags=["grading", "maintenance"],
    params={
        "dry_run": DRY_RUN,
        "older_than_days": Param(7, type="number", minimum=1, title="Minimum age in days", description="Examine only tables of at least this age."),
    },
)
def clean_staging_tables() -> None:
    @task
    def clean() -> dict[str, Any]:
        return clean_staging(get_current_context())

    clean()


clean_staging_tables()
