"""
Fit maps from the confidence of a system to the share of its bets that are won, once a week.

**What.** For each system of `GRADING_PROBABILITY_SYSTEMS` with at least 300 decided bets of record in the 60 days that end on `day`: fits an
isotonic map on all but the last 14 of those days, and judges it on these. A map is accepted if it improves both the Brier score and the
calibration error there. Stores every fit in `confidence_calibration`, a version each day; `latest_calibration` has the newest accepted one.
Nothing in this project applies a map: predicting systems read it. `docs/evaluation.md` has the formulas.

**When.** Mondays at 10:30 New York, after the morning's grading.

**If it fails.** The fits of the day are as before or all new. Slack gives the next step; clear the task.

**Safe to rerun?** Yes: the same bets give the same maps, which replace those of that day.

**Params.** `day`: the last day of the bets, YYYY-MM-DD; empty means the day before the run's date. `use_lease`: on, off, or as configured.
"""

from __future__ import annotations

from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.dag_defaults import GRADING_POOL, WRITE_TIMEOUT, WRITING_RUN_TIMEOUT, grading_dag
from nba_grading.airflow.operators.day import DayWriteOperator
from nba_grading.airflow.params import USE_LEASE, optional_date


@grading_dag(
    __doc__,
    schedule=CronTriggerTimetable("30 10 * * MON", timezone="America/New_York"),
    dagrun_timeout=WRITING_RUN_TIMEOUT,
    tags=["grading", "review"],
    params={
        "day": optional_date("Last day", "Last day of the bets, YYYY-MM-DD. Empty: the day before the run's date."),
        "use_lease": USE_LEASE,
    },
)
def recalibrate_confidence() -> None:
    DayWriteOperator(
        task_id="recalibrate",
        operation="recalibration",
        work="nba_grading.reviews.recalibration:recalibrate",
        success="recalibrated",
        pool=GRADING_POOL,
        execution_timeout=WRITE_TIMEOUT,
    )


recalibrate_confidence()
