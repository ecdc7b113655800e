"""
List the players on whom a system loses beyond chance, and measure how far players and errors spread, once a week.

**What.** `watch` takes the bets of record of the 90 days that end on `day`, shrinks each player's win rate towards that of the system, and
lists those whose rate is probably (over 0.95) under 47.6 %, from 15 decided bets on; a listed player leaves under 0.80. The list is a day of
`player_watchlist`. `measure` compares the standard deviation of points and of errors over the last 20 games with players of the same scoring
level, in `player_variance`. `post` tells Slack who entered and who left; nothing if nobody did. Advice, not a filter: nothing in this
project uses either table. `docs/evaluation.md` has the formulas.

**When.** Mondays at 10:45 New York, after the morning's grading.

**If it fails.** The tables of the day are as before or all new. Slack gives the next step; clear the task.

**Safe to rerun?** Yes: the same bets give the same list, which replaces that of the day. The message is posted again.

**Params.** `day`: the last day of the bets, YYYY-MM-DD; empty means the day before the run's date. `use_lease`: on, off, or as configured.
"""

from __future__ import annotations

from airflow.sdk import get_current_context, task
from airflow.timetables.trigger import CronTriggerTimetable

from nba_grading.airflow.dag_defaults import GRADING_POOL, WRITE_TIMEOUT, WRITING_RUN_TIMEOUT, grading_dag
from nba_grading.airflow.operators.day import DayWriteOperator
from nba_grading.airflow.params import USE_LEASE, optional_date
from nba_grading.airflow.tasks.review import report_watchlist


@grading_dag(
    __doc__,
    schedule=CronTriggerTimetable("45 10 * * MON", timezone="America/New_York"),
    dagrun_timeout=WRITING_RUN_TIMEOUT,
    tags=["grading", "review"],
    params={
        "day": optional_date("Last day", "Last day of the bets, YYYY-MM-DD. Empty: the day before the run's date."),
        "use_lease": USE_LEASE,
    },
)
def watch_players() -> None:
    watch = DayWriteOperator(
        task_id="watch",
        operation="watchlist",
        work="nba_grading.reviews.watchlist:watch_players",
        success="watched",
        pool=GRADING_POOL,
        execution_timeout=WRITE_TIMEOUT,
    )
    measure = DayWriteOperator(
        task_id="measure",
        operation="variance",
        work="nba_grading.reviews.watchlist:measure_variance",
        success="measured",
        pool=GRADING_POOL,
        execution_timeout=WRITE_TIMEOUT,
    )

    @task
    def post() -> None:
        report_watchlist(get_current_context())

    watch >> [measure, post()]


watch_players()
