"""
Grade the player-prop predictions of one game date against its box scores.

**What.** Reads `player_prop_predictions` and `player_game_summary` for one `game_date`, and replaces that date of
`prediction_accuracy` in one fenced transaction, under the lease `grading_<game_date>`. Only complete games are graded: the minutes of
each team add up to `GRADING_COMPLETE_MINUTES`; predictions of the others are pending. Then checks the date for duplicates, NULL
keys and counts that do not balance, and announces it to the DAGs that follow. Up to `GRADING_AUTO_REPAIR_ROWS` duplicates are
removed at once by a run of `remove_duplicates`. Every run adds one row to `grading_runs`.

**When.** At 06:00 New York for the day before; from the UI with a `game_date`; by `make backfill FROM=… TO=…` over a range. With
`airflow backfill create`, give `--to-date` a time (`2026-01-16T23:59:59`): a bare date leaves the last day out.

**If it fails.** The date holds either its old rows or one complete write. Slack gives the next step. A
date without a complete game ends as `no_box_scores` or `incomplete_games`. A scheduled run waits up to 6 hours until every predicted
game is complete, without a worker slot; then it grades those that are, and `heal_grading` the others on the same day. After three
failed runs in a row the circuit breaker opens: further runs are refused at once, and every 5 minutes one may try.

**Safe to rerun?** Yes, at any time, and next to any other run: a second run of a date waits for the lease, also without a slot.

**Params.** `game_date`: the date to grade, YYYY-MM-DD; empty means the run's own date. `allow_shrink`: publish even if the date
loses a larger share of its keys than `GRADING_MAX_SHRINK`. `accept_games`: games of the date that count as complete from now on, whatever
their minutes add up to, such as a game that was stopped early. `use_lease`: on, off, or as configured. `override_breaker`: run although the
circuit breaker is open.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import get_current_context, task
from airflow.timetables.interval import CronDataIntervalTimetable

from nba_grading.airflow.assets import GRADES
from nba_grading.airflow.dag_defaults import GRADING_POOL, WRITE_TIMEOUT, WRITING_RUN_TIMEOUT, grading_dag
from nba_grading.airflow.operators.check import CheckInputsOperator
from nba_grading.airflow.operators.write import GuardedWriteOperator
from nba_grading.airflow.params import ACCEPT_GAMES, ALLOW_SHRINK, OVERRIDE_BREAKER, USE_LEASE, optional_date
from nba_grading.airflow.tasks.record_run import record_guarded_run
from nba_grading.airflow.tasks.validate import REPAIR_DAG, validate_written_date
from nba_grading.settings import get_settings


@grading_dag(
    __doc__,
    schedule=CronDataIntervalTimetable("0 6 * * *", timezone="America/New_York"),
    recorded=True,
    dagrun_timeout=WRITING_RUN_TIMEOUT + timedelta(seconds=get_settings().grading_box_score_wait_seconds),
    max_active_runs=16,
    tags=["grading"],
    params={
        "game_date": optional_date("Game date", "Date to grade, YYYY-MM-DD. Empty: the run's own date."),
        "allow_shrink": ALLOW_SHRINK,
        "accept_games": ACCEPT_GAMES,
        "use_lease": USE_LEASE,
        "override_breaker": OVERRIDE_BREAKER,
    },
)
def grade_predictions() -> None:
    inputs = CheckInputsOperator(task_id="check_inputs", operation="grading")

    grade = GuardedWriteOperator(
        task_id="grade",
        operation="grading",
        work="nba_grading.pipelines.grade:grade_dates",
        game_date="{{ ti.xcom_pull(task_ids='check_inputs')['game_date'] }}",
        pool=GRADING_POOL,
        execution_timeout=WRITE_TIMEOUT,
    )

    @task(outlets=[GRADES])
    def validate(reported: list[dict[str, Any]], checked: dict[str, Any]) -> list[dict[str, Any]]:
        return validate_written_date(get_current_context(), checked, reported)

    @task(trigger_rule="all_done")
    def record_run() -> dict[str, Any]:
        return record_guarded_run(get_current_context(), operation="grading")

    validated = validate(grade.output, inputs.output)  # type: ignore[arg-type]
    inputs >> grade >> validated >> record_run().as_teardown()
    TriggerDagRunOperator.partial(task_id="repair_small_finds", trigger_dag_id=REPAIR_DAG).expand(conf=validated)


grade_predictions()
