"""
Find leases that are not released, report them, and remove those that have long expired.

**What.** Lists the leases of every operation. One that has not been renewed for 10 minutes opens an incident in Slack, and so does one
that is renewed but has been held for an hour. One that is silent for three times its own duration is removed, if it is still as it was
read: a live lease is never taken. Resolved alerts are closed in their thread. A lease store that does not answer opens an incident, too.
This is a sweep: a run that finds an expired lease takes it over anyway, and the fence keeps late writers out in any case.

**When.** Every 10 minutes; from the UI with a `holder_id`.

**If it fails.** Leases stay as they are; the next run comes in 10 minutes.

**Safe to rerun?** Yes, at any time.

**Params.** `holder_id`: release the lease of this holder now, alive or not; Slack's messages and the log of a waiting run name it.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.dag_defaults import START_DATE, default_args
from nba_grading.airflow.tasks.sweep_leases import sweep_and_alert


@dag(
    schedule=CronTriggerTimetable("*/10 * * * *", timezone="UTC"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args=default_args(),
    doc_md=__doc__,
    tags=["grading", "maintenance"],
    params={
        "holder_id": Param(None, type=["null", "string"], pattern="^[0-9a-f]{32}$", description="Release the lease of this holder now."),
    },
)
def release_stuck_leases() -> None:
    @task
    def sweep() -> dict[str, Any]:
        return sweep_and_alert(get_current_context())

    sweep()


release_stuck_leases()
