"""Callbacks of every task: a failure opens an incident, and a success resolves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nba_grading.airflow.context import run_link
from nba_grading.airflow.errors import AlreadyAlerted, LeaseWaitTimeout, ParamsRefused
from nba_grading.airflow.notify import alert_lease_store_down, raise_alert, resolve, task_incidents
from nba_grading.airflow.params import run_date, run_scope
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
    if isinstance(error, (AlreadyAlerted, ParamsRefused)):
        return
    if isinstance(error, LeaseStoreUnavailable):
        alert_lease_store_down(context, str(error))
        return
    run, scope, game_date = run_link(context), run_scope(context), run_date(context)
    if isinstance(error, LeaseWaitTimeout):
        waited = {"waited_s": error.waited_s, "max_wait_s": get_settings().lease_max_wait_seconds}
        alert = alerts.waited_too_long(run, scope=scope, task_id=ti.task_id, game_date=game_date, held_by=error.held_by, **waited)
    else:
        reason = f"{type(error).__name__}: {error}" if error else "the task was killed; its log shows how far it came"
        alert = alerts.task_failed(run, scope=scope, task_id=ti.task_id, game_date=game_date, tries=ti.try_number, error=reason)
    raise_alert(context, alert)


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
    reason = "the run exceeded the DAG's dagrun_timeout, and all its unfinished tasks were stopped"
    scope, game_date = run_scope(context), run_date(context)
    alert = alerts.task_failed(run_link(context), scope=scope, task_id=ti.task_id, game_date=game_date, tries=ti.try_number, error=reason)
    raise_alert(context, alert)


def resolve_on_success(context: Context) -> None:
    """Task-level success callback: resolve what the task opened when it failed for the same scope."""
    ti = context["ti"]
    resolve(context, task_incidents(context, [ti.task_id]), f"Task {ti.task_id} of {ti.dag_id} has succeeded.")


def resolve_after_retry(context: Context) -> None:
    """The same in a DAG that ends with ``record_run``, which resolves the incidents of all tasks of a run: for a retried or cleared task."""
    if context["ti"].try_number > 1:
        resolve_on_success(context)
