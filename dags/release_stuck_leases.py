"""
Find leases that are stuck, alert, and remove those whose holder is dead.

**What.** Lists the leases of every operation. A lease that has not been renewed for 10 minutes opens an incident, and so does one that is
renewed but has been held for an hour. A lease that has been silent for three times its own duration is removed, but only if it did not
change since it was read: a live lease is never removed. An incident is resolved when its lease is free again. A lease store that does not
answer opens an incident as well. Grading does not depend on this DAG: a run takes an expired lease over, and the fence refuses late writers.

**When.** Every 30 minutes; from the UI with a `holder_id`.

**If it fails.** Leases stay as they are; the next run starts in 30 minutes.

**Safe to rerun?** Yes, at any time.

**Params.** `holder_id`: release the lease of this holder now, alive or not. Slack's messages and the log of a waiting run name it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.dag_defaults import grading_dag
from nba_grading.airflow.params import full_match
from nba_grading.airflow.tasks.sweep_leases import sweep_and_alert


@grading_dag(
    __doc__,
    recorded=True,
    schedule=CronTriggerTimetable("*/30 * * * *", timezone="UTC"),
    dagrun_timeout=timedelta(hours=1),
    tags=["grading", "maintenance"],
    params={
        "holder_id": Param(
            None, type=["null", "string"], pattern=full_match("[0-9a-f]{32}"), title="Holder", description="Release the lease of this holder now."
        ),
    },
)
def release_stuck_leases() -> None:
    @task
    def sweep() -> dict[str, Any]:
        return sweep_and_alert(get_current_context())

    sweep()


release_stuck_leases()
