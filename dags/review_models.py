"""
Review the predicting systems: the milestone check of a system on its set date, and every Monday a table of them all.

**What.** Reads the grades of the 7 days that end on `day`. `milestones` checks each system whose date in `GRADING_MILESTONES` is today: MAE,
placeholders, consistency of volume, win rate, each against its target. `weekly_review` makes the table by system: MAE, bias, win rate
with its 95 % interval, bets, calibration by confidence decile, and the trends of duplicates, durations, waits and volume. A system
drifts if its MAE has left its own 30-day band, or its win rate is under 52.4 % beyond chance: that opens an incident, which a later
review resolves. Both post to Slack and return their rows; nothing else is changed. How each value is computed: `docs/reviews.md`.

**When.** Daily at 10:00 New York, after the morning's grading. On a day without a milestone, and on other days than Mondays, the task is skipped.

**If it fails.** Only the message is missing: clear the task. Without grades the message says so, and the run succeeds.

**Safe to rerun?** Yes; a report is posted again, an open drift is not.

**Params.** `day`: the last day to look at, YYYY-MM-DD; empty means the day before the run's. Today is the day after it, for milestones and
Mondays alike. `weekly`: whether to make the table; empty means on Mondays.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.dag_defaults import START_DATE, default_args
from nba_grading.airflow.tasks.review import check_milestones, review_week


@dag(
    schedule=CronTriggerTimetable("0 10 * * *", timezone="America/New_York"),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args=default_args(),
    doc_md=__doc__,
    tags=["grading", "review"],
    params={
        "day": Param(None, type=["null", "string"], format="date", description="Last day to look at, YYYY-MM-DD. Empty: the day before the run's."),
        "weekly": Param(None, type=["null", "boolean"], description="Make the weekly table, or do not. Empty: on Mondays."),
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
