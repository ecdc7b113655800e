"""
Review the predicting systems: check each system on its milestone date, and compare them all every Monday.

**What.** Reads the bets of record of the 7 days that end on `day`. `milestones` checks each system whose date in `GRADING_MILESTONES` is
today: MAE, placeholders, consistency of volume, and win rate, each against its target. `weekly_review` compares the systems in a table: MAE
beside that of the line, bias, win rate with its 95 % interval, bets, calibration by confidence decile, which systems differ beyond chance,
and the trends of duplicates, durations, waits and volume. A system whose MAE has left its own 30-day band, or whose win rate is significantly
below 52.4 %, opens an incident, which is resolved when that ends. Both tasks post to Slack and return their rows; nothing else is changed.
`docs/reviews.md` defines each value.

**When.** Daily at 10:00 New York, after the morning's grading. Without a milestone, and on any day but Monday, its tasks are skipped.

**If it fails.** Only the message is missing: clear the task. If there are no grades, the message says so and the run succeeds.

**Safe to rerun?** Yes. A report is posted again; an incident is not opened twice.

**Params.** `day`: the last day of the review, YYYY-MM-DD; empty means the day before the run's date. The day after it counts as today, for
milestones and Mondays. `weekly`: make the table on Mondays, always, or never.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.dag_defaults import grading_dag
from nba_grading.airflow.params import WEEKLY, optional_date
from nba_grading.airflow.tasks.review import check_milestones, review_week


@grading_dag(
    __doc__,
    schedule=CronTriggerTimetable("0 10 * * *", timezone="America/New_York"),
    dagrun_timeout=timedelta(hours=4),
    tags=["grading", "review"],
    params={
        "day": optional_date("Last day", "Last day of the review, YYYY-MM-DD. Empty: the day before the run's date."),
        "weekly": Param("on Mondays", enum=list(WEEKLY), title="Weekly table", description="When to make the weekly table."),
    },
)
def review_models() -> None:
    @task
    def milestones() -> list[dict[str, Any]]:
        return check_milestones(get_current_context())

    @task
    def weekly_review() -> list[dict[str, Any]]:
        return review_week(get_current_context())

    milestones()
    weekly_review()


review_models()
