"""
Take a snapshot of the predictions and the grades, once a day in the season.

**What.** One snapshot each of `prediction_accuracy` and `player_prop_predictions`, named `_backup_<table>_<day>000000` for the day in New
York on which it is taken, which expires after `GRADING_BACKUP_DAYS`. The aggregates need none: they are made anew from the grades. A day
without changes is not left out, as BigQuery bills a snapshot only for what its table has lost since. `restore_from_backup` takes the
snapshots as it takes those of a repair, and the page lists them.

**When.** Daily at 14:00 New York, after the last wait for games, from October to June; by hand at any time.

**If it fails.** No table is changed. Clear the task, or run it again, on the same day; on a later day it takes that day's snapshots. If
BigQuery refused the expiry, the snapshot is there and never expires until a run of the same day sets it.

**Safe to rerun?** Yes: a snapshot of the day that exists is left as it is.

**Params.** None; `GRADING_BACKUP_DAYS` is a setting.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.callbacks import resolve_on_success
from nba_grading.airflow.dag_defaults import grading_dag
from nba_grading.airflow.tasks.backup import back_up


@grading_dag(
    __doc__,
    schedule=CronTriggerTimetable("0 14 * * *", timezone="America/New_York"),
    dagrun_timeout=timedelta(hours=4),
    tags=["grading", "maintenance"],
)
def back_up_tables() -> None:
    @task(on_skipped_callback=resolve_on_success)
    def take_snapshots() -> dict[str, int]:
        return back_up(get_current_context())

    take_snapshots()


back_up_tables()
