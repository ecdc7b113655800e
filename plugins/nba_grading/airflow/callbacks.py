"""Callbacks of every task: an alert when it fails, and the end of that incident when it succeeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nba_grading.airflow.context import run_link
from nba_grading.airflow.errors import AlreadyAlerted, LeaseWaitTimeout
from nba_grading.airflow.notify import alert_lease_store_down, raise_alert, resolve
from nba_grading.airflow.params import switched_off
from nba_grading.airflow.run_record import FACTS_KEY
from nba_grading.alerts import messages as alerts
from nba_grading.events import get_logger
from nba_grading.leases.errors import LeaseStoreUnavailable
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

log = get_logger(__name__)


def alert_on_failure(context: Context) -> None:
    """Task-level failure callback: one Slack message that says what failed for which date, and what to do."""
    error, ti = context.get("exception"), context["ti"]
    if isinstance(error, AlreadyAlerted):
        return
    if isinstance(error, LeaseStoreUnavailable):
        alert_lease_store_down(context, str(error))
        return
    game_date = _param_date(context) or _checked_date(context)
    if isinstance(error, LeaseWaitTimeout):
        max_wait_s = get_settings().lease_max_wait_seconds
        raise_alert(
            context,
            alerts.waited_too_long(run_link(context), game_date=game_date, waited_s=error.waited_s, max_wait_s=max_wait_s, held_by=error.held_by),
        )
        return
    told = f"{type(error).__name__}: {error}" if error else "the task was killed; its log ends where it was"
    raise_alert(context, alerts.task_failed(run_link(context), game_date=game_date, task_id=ti.task_id, tries=ti.try_number, error=told))


def alert_on_run_timeout(context: Context) -> None:
    """DAG-level failure callback: an alert for a run that dagrun_timeout ended, as its tasks are stopped without one.

    Airflow calls it in the DAG processor after every failed run, but a task that fails has sent its own alert.
    """
    if context.get("reason") != "timed_out":
        return
    ti = context.get("ti")
    if ti is None:
        log.error("run_timed_out", dag=context["dag"].dag_id, run=context["run_id"])
        return
    error = "the run exceeded the DAG's dagrun_timeout, and all its unfinished tasks were stopped"
    raise_alert(context, alerts.task_failed(run_link(context), game_date=_param_date(context), task_id=ti.task_id, tries=ti.try_number, error=error))


def resolve_on_success(context: Context) -> None:
    """Task-level success callback of a DAG's last task: what was told of an earlier failure of the DAG is over."""
    game_date, dag_id = _param_date(context), context["ti"].dag_id
    leased = switched_off(context) is None
    resolve(context, alerts.closed_by_success(dag_id, game_date, leased=leased), f"A run of {dag_id} has succeeded.")


def _param_date(context: Context) -> str | None:
    date_of_run: str | None = context["params"].get("game_date") or context["params"].get("day")
    return date_of_run


def _checked_date(context: Context) -> str | None:
    try:
        checked = context["ti"].xcom_pull(task_ids="check_inputs", key=FACTS_KEY) or {}
    except Exception:
        # In the DAG processor, where the callback of a lost worker runs, XCom cannot be read.
        log.warning("run_date_unknown", exc_info=True)
        return None
    date_of_run: str | None = checked.get("game_date")
    return date_of_run
