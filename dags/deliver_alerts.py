"""
Send the alerts that Slack did not take, and escalate what lasts too long.

**What.** Looks at the table `conditions`: what Slack was not told yet (it was away, or the task that should have told it was killed) is
told now, in its thread. An error that is raised for longer than `GRADING_ALERT_ESCALATE_HOURS` is escalated, once. What is over for longer
than `GRADING_ALERT_KEEP_DAYS` is forgotten.

**When.** Every 10 minutes.

**If it fails.** Nothing is lost: the next run finds the same. While Slack is away it succeeds, and its result says how many wait.

**Safe to rerun?** Yes: a message is claimed before it is sent.

**Params.** None.
"""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.callbacks import resolve_on_success
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
    @task(on_success_callback=resolve_on_success)
    def deliver() -> dict[str, int]:
        with fail_for_good():
            return deliver_pending_alerts(get_current_context())

    deliver()


deliver_alerts()
