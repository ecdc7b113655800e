"""
Drop staging tables whose rows are all in the main table.

**What.** Looks at every `_staging_*` table: those that prediction workers left after a batch, and those that a guarded write left when it
was killed. One older than 7 days whose rows all have their key in the main table is dropped; any other is kept and named with the
reason. The result lists each with its age, rows, bytes and verdict.

**When.** Daily at 09:00 New York, as a dry run, unless its default is changed; by hand without.

**If it fails.** Tables that were dropped are gone, and were proven; the others are there.

**Safe to rerun?** Yes.

**Params.** `dry_run`: drop nothing. `older_than_days`: look at tables older than that alone.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.dag_defaults import START_DATE, default_args
from nba_grading.airflow.tasks.staging_cleanup import clean_staging


@dag(
    schedule=CronTriggerTimetable("0 9 * * *", timezone="America/New_York"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args=default_args(),
    doc_md=__doc__,
    tags=["grading", "maintenance"],
    params={
        "dry_run": Param(True, type="boolean", description="Drop nothing; say what would go."),
        "older_than_days": Param(7, type="number", minimum=0, description="Look at tables older than that alone."),
    },
)
def clean_staging_tables() -> None:
    @task
    def clean() -> dict[str, Any]:
        return clean_staging(get_current_context())

    clean()


clean_staging_tables()
