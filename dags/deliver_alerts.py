"""
Send the alerts that Slack did not take, and escalate errors that last too long.

**What.** Reads the table `incidents`: pending changes (Slack was down, or the task that should have sent them was killed) are sent now, in
their thread. An error that has been open for `GRADING_ALERT_ESCALATE_HOURS` is escalated, once. Incidents that were resolved
`GRADING_ALERT_KEEP_DAYS` ago are deleted.

**When.** Every 10 minutes.

**If it fails.** Nothing is lost: the next run finds the same. While Slack is down the run succeeds, and its result says how many are not sent.

**Safe to rerun?** Yes: a message is claimed before it is sent.

**Params.** None.
"""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.dag_defaults import START_DATE, default_args
from nba_grading.airflow.errors import fail_for_good
from nba_grading.airflow.notify import deliver_pending_alerts


@dag(
    schedule=CronTriggerTimetable("5-59/10 * * * *", timezone="UTC"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args=default_args(),
    doc_md=__doc__,
    tags=["grading", "maintenance"],
)
def deliver_alerts() -> None:
    @task
    def deliver() -> dict[str, int]:
        with fail_for_good():
            return deliver_pending_alerts(get_current_context())

    deliver()


deliver_alerts()
