"""
Send the alerts that Slack has not received, and escalate incidents that stay open too long.

**What.** Reads the table `incidents`. An update that was not sent, because Slack was away or its task was killed, is sent to its thread.
An error that is open for longer than `GRADING_ALERT_ESCALATE_HOURS` is escalated, once. An incident that was resolved more than
`GRADING_ALERT_KEEP_DAYS` ago is deleted.

**When.** Every 15 minutes.

**If it fails.** Nothing is lost: the next run finds the same incidents. While Slack is away the run succeeds, and its result counts the
updates that wait.

**Safe to rerun?** Yes: an update is claimed before it is sent.

**Params.** None.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.dag_defaults import grading_dag
from nba_grading.airflow.errors import fail_for_good
from nba_grading.airflow.notify import deliver_pending_alerts


@grading_dag(
    __doc__,
    recorded=True,
    schedule=CronTriggerTimetable("5-59/15 * * * *", timezone="UTC"),
    dagrun_timeout=timedelta(hours=1),
    tags=["grading", "maintenance"],
)
def deliver_alerts() -> None:
    @task
    def deliver() -> dict[str, int]:
        with fail_for_good():
            return deliver_pending_alerts(get_current_context())

    deliver()


deliver_alerts()
