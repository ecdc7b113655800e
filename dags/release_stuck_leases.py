"""
Find leases that nobody gives back, tell people, and remove those that are long dead.

**What.** Lists the leases of every operation. One that was not renewed for 10 minutes is told to Slack, once; one that is renewed but
held for an hour as well. One that is silent for three times its own duration is removed, if it is still as it was read: a live lease
is never taken. What was told and is over is told as recovered. A lease store that does not answer is told once, too, and its
return. This is a sweep: a run that finds an expired lease takes it over by itself, and the fence keeps late writers out in any case.

**When.** Every 10 minutes; from the UI with a `holder_id`.

**If it fails.** Leases stay as they are; the next run comes in 10 minutes.

**Safe to rerun?** Yes, at any time.

**Params.** `holder_id`: release the lease of this holder now, alive or not; Slack's messages and the log of a waiting run name it.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.callbacks import resolve_on_success
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
    @task(on_success_callback=resolve_on_success)
    def sweep() -> dict[str, Any]:
        return sweep_and_alert(get_current_context())

    sweep()


release_stuck_leases()
