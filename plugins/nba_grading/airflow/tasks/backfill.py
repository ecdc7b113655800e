"""The tasks of backfill_grades around its chunks: plan the dates, and report what became of each."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from nba_grading.airflow.context import make_warehouse
from nba_grading.airflow.errors import AlreadyAlerted, ParamsRefused, fail_for_good
from nba_grading.airflow.notify import resolve, task_incidents
from nba_grading.airflow.params import range_of
from nba_grading.airflow.run_record import store_records
from nba_grading.airflow.tasks.record_run import count_failure
from nba_grading.events import get_logger
from nba_grading.game_dates import GameDateError, parse_game_date, resolve_past_day

if TYPE_CHECKING:
    from airflow.sdk import Context

log = get_logger(__name__)

OPERATION = "grading"
DATES_KEY, OTHERS_KEY = "dates", "others"
FAILED = ("failed", "refused")


def plan_dates(context: Context) -> list[list[str]]:
    """The chunks of dates to grade, ISO. The XCom ``others`` has the dates that are ``graded`` and left alone, or have ``no_predictions``."""
    from nba_grading.runs.backfill import plan_backfill

    params, began = context["params"], datetime.now(tz=UTC)
    first, last = range_of(context)
    try:
        resolve_past_day(str(last), began)
        only = {parse_game_date(day) for day in params.get("dates") or ()}
    except GameDateError as error:
        raise ParamsRefused(str(error)) from None
    dates = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    with fail_for_good():
        plan = plan_backfill(make_warehouse(context), [day for day in dates if not only or day in only], regrade=bool(params["regrade"]))
    rows = [
        {"grading_run_id": _record_id(context), "game_date": day, "outcome": "no_predictions", "gradable": 0, "pending": 0, "graded": 0, "voided": 0}
        for day in plan.no_predictions
    ]
    store_records(context, OPERATION, rows, began)
    others = {"graded": [str(day) for day in plan.graded], "no_predictions": [str(day) for day in plan.no_predictions]}
    context["ti"].xcom_push(key=OTHERS_KEY, value=others)
    return [[str(day) for day in chunk] for chunk in plan.chunks]


def report_dates(context: Context) -> list[dict[str, Any]]:
    """What became of each planned date, in the XCom ``dates``; returns the params of the repairs that need no approval.

    Raises AirflowFailException if a date failed or was refused. One that a killed task left without a record gets one here.
    """
    from nba_grading.runs.backfill import list_dates_of_run

    ti, dag_run, warehouse = context["ti"], context["dag_run"], make_warehouse(context)
    chunks = ti.xcom_pull(task_ids="plan")
    if chunks is None:
        raise AlreadyAlerted("there is no plan, so no date was graded: see the task plan")
    planned = [parse_game_date(day) for chunk in chunks for day in chunk]
    began = dag_run.start_date or datetime.now(tz=UTC)
    with fail_for_good():
        recorded = list_dates_of_run(warehouse, ti.dag_id, ti.run_id, began)
    detail = "its task failed, or was killed before it could report: see the task's log"
    left = [day for day in planned if day not in recorded]
    missing = [{"grading_run_id": _record_id(context), "game_date": day, "outcome": "failed", "detail": detail} for day in left]
    store_records(context, OPERATION, missing, began, warehouse)
    if missing:
        count_failure(context, {**missing[0], "operation": OPERATION})
    outcomes: dict[date, dict[str, Any]] = {**recorded}
    outcomes.update(zip(left, missing, strict=True))
    rows = [outcomes[day] | {"game_date": str(day)} for day in sorted(outcomes)]
    ti.xcom_push(key=DATES_KEY, value=rows)
    failed = [day for day in sorted(outcomes) if outcomes[day]["outcome"] in FAILED]
    log.info("backfill_reported", dates=len(rows), failed=len(failed), graded=sum(row["outcome"] == "graded" for row in rows))
    if failed:
        first = outcomes[failed[0]]
        raise AirflowFailException(
            f"{len(failed)} of {len(rows)} dates failed or were refused: {', '.join(map(str, failed))}. {failed[0]}: {first.get('detail')}"
        )
    resolve(context, task_incidents(context, context["dag"].task_ids), f"A run of {ti.dag_id} has succeeded for the same dates.")
    # By their indexes: without, the result of a single chunk would come alone, not as a list of one.
    return [repair for chunk in ti.xcom_pull(task_ids="grade", map_indexes=range(len(chunks))) for repair in chunk or ()]


def _record_id(context: Context) -> str:
    ti = context["ti"]
    return f"{ti.dag_id}/{ti.run_id}"
