"""What every DAG of this project shares: owner, retries, the failure alert, the pool, the asset, and the tasks behind a write."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from nba_grading import alerts
from nba_grading.airflow_context import make_warehouse, run_facts, run_link
from nba_grading.lease import LeaseStoreUnavailable
from nba_grading.operators import RESULT_KEY, AlreadyTold, LeaseWaitTimeout, fail_for_good, tell_lease_store_down
from nba_grading.settings import get_settings
from nba_grading.slack import send_alert

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow.sdk import Context

    from nba_grading.alerts import Alert
    from nba_grading.tables import Table
    from nba_grading.validation import Finding
    from nba_grading.warehouse import Warehouse

log = logging.getLogger(__name__)

# Before the first game this project could grade: a run whose logical date is earlier than a DAG's start_date succeeds with no task run.
START_DATE = datetime(2020, 1, 1, tzinfo=UTC)
OWNER = "nba-grading"
GRADING_POOL = "grading"
# A writer that hangs with its renewals alive holds its date for so long at most.
WRITE_TIMEOUT = timedelta(hours=2)
# By name alone: a bigquery:// URI would make every parse of a DAG file import the Google provider.
GRADES = Asset("prediction_accuracy")
PREDICTIONS = Asset("player_prop_predictions")


def alert_on_failure(context: Context) -> None:
    """Task-level failure callback: one Slack message that says what failed for which date, and what to do."""
    error, ti = context.get("exception"), context["ti"]
    if isinstance(error, AlreadyTold):
        return
    if isinstance(error, LeaseStoreUnavailable):
        tell_lease_store_down(context, str(error))
        return
    game_date = context["params"].get("game_date") or _checked_date(context)
    if isinstance(error, LeaseWaitTimeout):
        waited_s = get_settings().lease_max_wait_seconds
        send_alert(alerts.waited_too_long(run_link(context), game_date=game_date, waited_s=waited_s, held_by=str(error)))
        return
    told = f"{type(error).__name__}: {error}" if error else "the task was killed; its log ends where it was"
    send_alert(alerts.task_failed(run_link(context), game_date=game_date, task_id=ti.task_id, tries=ti.try_number, error=told))


def _checked_date(context: Context) -> str | None:
    try:
        checked = context["ti"].xcom_pull(task_ids="check_inputs", key=RESULT_KEY) or {}
    except Exception:
        # In the DAG processor, where the callback of a lost worker runs, XCom cannot be read.
        log.warning("the date of the failed run is not known here", exc_info=True)
        return None
    date_of_run: str | None = checked.get("game_date")
    return date_of_run


def default_args() -> dict[str, Any]:
    """default_args of every DAG; transient errors are retried with a growing delay."""
    settings = get_settings()
    return {
        "owner": OWNER,
        "retries": settings.grading_retries,
        "retry_delay": timedelta(seconds=settings.grading_retry_seconds),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=10),
        "on_failure_callback": alert_on_failure,
    }


def validate_written_date(context: Context, game_date: str, reported: dict[str, Any]) -> dict[str, Any]:
    """Check a date that was just written, tell Slack what was found, and announce the date to consumers of the asset.

    Returns the number of surplus rows; raises AirflowFailException on findings of severity fail, duplicates by setting.
    """
    from datetime import date

    from nba_grading.tables import PREDICTION_ACCURACY
    from nba_grading.validation import validate_date

    warehouse = make_warehouse(context)
    with fail_for_good():
        findings = validate_date(warehouse, date.fromisoformat(game_date), reported)
    counts = ", ".join(f"{reported[name]} {name}" for name in ("graded", "voided", "pending"))
    return settle_findings(
        context,
        warehouse,
        PREDICTION_ACCURACY,
        game_date,
        findings,
        alert=lambda: alerts.findings_after_write(run_link(context), game_date=game_date, findings=findings, counts=counts),
        asset=GRADES,
    )


def settle_findings(
    context: Context,
    warehouse: Warehouse,
    table: Table,
    game_date: str,
    findings: Sequence[Finding],
    *,
    alert: Callable[[], Alert],
    asset: Asset,
    done: str | None = None,
) -> dict[str, Any]:
    """What follows a validation: report, Slack, the audit of duplicates, and the asset's event, or a failure on findings of severity fail.

    ``alert`` is called when there are findings. ``done`` begins the detail of the run's record. Returns as ``validate_written_date``.
    """
    from datetime import date

    from nba_grading.validation import record_duplicates

    surplus = sum(finding.surplus_rows for finding in findings)
    told = "; ".join(f"{finding.check}: {finding.sentence}" for finding in findings)
    context["ti"].xcom_push(key=RESULT_KEY, value={"duplicates": surplus, "detail": "; ".join(part for part in (done, told) if part) or None})
    if findings:
        send_alert(alert())
    if surplus:
        with fail_for_good():
            url = run_link(context).url
            record_duplicates(warehouse, table, date.fromisoformat(game_date), processor=table.operation, investigation_url=url)
    fatal = [f for f in findings if f.severity == "fail" and (f.check != "duplicate_keys" or get_settings().grading_on_duplicates == "fail")]
    if fatal:
        raise AlreadyTold(f"{game_date}: {told}")
    context["outlet_events"][asset].add_partitions(game_date)
    return {"duplicates": surplus, "findings": [finding.check for finding in findings]}


def record_guarded_run(
    context: Context, operation: str, *, write_task: str = "grade", last_task: str = "validate", success: str = "graded"
) -> dict[str, Any]:
    """Write the run's row of grading_runs, from what its tasks left in XCom; returns that row for the API's readers.

    The tasks are check_inputs, ``write_task`` and ``last_task``; ``success`` is the outcome of a run whose last task succeeded.
    """
    from nba_grading.runs import COLUMN_TYPES, record_run

    ti, dag_run = context["ti"], context["dag_run"]
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})

    def told(task_id: str, key: str, ended: tuple[str, ...] = ("success", "failed")) -> dict[str, Any]:
        # A task that did not start this time keeps the XCom of the time before, when the run was cleared.
        return (ti.xcom_pull(task_ids=task_id, key=key) or {}) if str(states.get(task_id)) in ended else {}

    facts = {
        **told("check_inputs", RESULT_KEY, ("success", "failed", "skipped")),
        **told(write_task, RESULT_KEY),
        **told(write_task, "return_value", ("success",)),
        **told(last_task, RESULT_KEY),
    }
    if str(states.get(last_task)) == "success":
        facts["outcome"] = success
    elif "outcome" not in facts:
        facts["outcome"] = "failed"
        if not facts.get("detail"):
            facts["detail"] = "a task was killed before it could say why: see its log"
            send_alert(alerts.task_failed(run_link(context), game_date=facts.get("game_date"), task_id="of the run", tries=1, error=facts["detail"]))
    # The same for every try of this task, another one when the run is cleared and starts again.
    facts.setdefault("grading_run_id", f"{ti.dag_id}/{ti.run_id}/{dag_run.start_date}")
    row = {name: facts[name] for name in COLUMN_TYPES if facts.get(name) is not None}
    row |= {
        **run_facts(context),
        "operation": operation,
        "started_at": (dag_run.start_date or datetime.now(tz=UTC)).isoformat(),
    }
    warehouse = make_warehouse(context)
    with fail_for_good():
        record_run(warehouse, row)
        _tell_breaker(context, warehouse, row, success)
    return row


def _tell_breaker(context: Context, warehouse: Warehouse, row: dict[str, Any], success: str) -> None:
    from nba_grading.breaker import count_failure, count_success

    settings, operation = get_settings(), row["operation"]
    if row["outcome"] == success:
        closed = count_success(warehouse, operation)
        if closed:
            send_alert(alerts.breaker_closed(run_link(context), operation=operation, open_s=closed.age_s))
    elif row["outcome"] == "failed":
        error = str(row.get("detail") or "see the log of the run")
        failures = count_failure(warehouse, operation, failures_to_open=settings.grading_breaker_failures, detail=error)
        if failures:
            pause_s = settings.grading_breaker_seconds
            send_alert(alerts.breaker_opened(run_link(context), operation=operation, failures=failures, pause_s=pause_s, error=error))
