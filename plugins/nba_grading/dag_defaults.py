"""What every DAG of this project shares: owner, retries, the failure alert, the pool, the asset, and the tasks behind a write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException

from nba_grading import alerts
from nba_grading.airflow_context import make_warehouse, run_link, run_type
from nba_grading.operators import RESULT_KEY, LeaseWaitTimeout
from nba_grading.settings import get_settings
from nba_grading.slack import send_alert

if TYPE_CHECKING:
    from airflow.sdk import Context

# Before the first game this project could grade: a run whose logical date is earlier than a DAG's start_date succeeds with no task run.
START_DATE = datetime(2020, 1, 1, tzinfo=UTC)
OWNER = "nba-grading"
GRADING_POOL = "grading"
# By name alone: a bigquery:// URI would make every parse of a DAG file import the Google provider.
GRADES = Asset("prediction_accuracy")


def alert_on_failure(context: Context) -> None:
    """Task-level failure callback: one Slack message that says what failed for which date, and what to do."""
    error, ti = context.get("exception"), context["ti"]
    game_date = context["params"].get("game_date") or getattr(ti.task, "game_date", None)
    if isinstance(error, LeaseWaitTimeout):
        waited_s = get_settings().lease_max_wait_seconds
        send_alert(alerts.waited_too_long(run_link(context), game_date=game_date, waited_s=waited_s, held_by=str(error)))
        return
    send_alert(
        alerts.task_failed(run_link(context), game_date=game_date, task_id=ti.task_id, tries=ti.try_number, error=f"{type(error).__name__}: {error}")
    )


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

    from nba_grading.validation import record_duplicates, validate_date

    warehouse, day, link = make_warehouse(context), date.fromisoformat(game_date), run_link(context)
    findings = validate_date(warehouse, day, reported)
    surplus = sum(finding.surplus_rows for finding in findings)
    if surplus:
        record_duplicates(warehouse, day, processor="grading", investigation_url=link.url)
    if findings:
        counts = ", ".join(f"{reported[name]} {name}" for name in ("graded", "voided", "pending"))
        send_alert(alerts.findings_after_write(link, game_date=game_date, findings=findings, counts=counts))
    context["ti"].xcom_push(key=RESULT_KEY, value={"duplicates": surplus})
    fatal = [f for f in findings if f.severity == "fail" and (f.check != "duplicate_keys" or get_settings().grading_on_duplicates == "fail")]
    if fatal:
        raise AirflowFailException(f"{game_date}: " + "; ".join(f"{finding.check}: {finding.sentence}" for finding in fatal))
    context["outlet_events"][GRADES].add_partitions(game_date)
    return {"duplicates": surplus, "findings": [finding.check for finding in findings]}


def record_guarded_run(context: Context, operation: str) -> dict[str, Any]:
    """Write the run's row of grading_runs, from what its tasks left in XCom; returns that row for the API's readers."""
    from nba_grading.runs import COLUMN_TYPES, record_run

    ti, dag_run = context["ti"], context["dag_run"]

    def told(task_id: str, key: str) -> dict[str, Any]:
        return ti.xcom_pull(task_ids=task_id, key=key) or {}

    checked, tried, graded = told("check_inputs", RESULT_KEY), told("grade", RESULT_KEY), told("grade", "return_value")
    validated, passed = told("validate", RESULT_KEY), told("validate", "return_value")
    facts = {**checked, **tried, **graded, **validated}
    if passed:
        facts["outcome"] = "graded"
    elif "outcome" not in facts:
        facts["outcome"] = "failed"
        facts.setdefault("detail", "a task failed or was killed before it could say why: see its log")
    facts.setdefault("grading_run_id", f"{ti.dag_id}/{ti.run_id}/{ti.try_number}")
    row = {name: facts[name] for name in COLUMN_TYPES if facts.get(name) is not None}
    row |= {
        "operation": operation,
        "dag_id": ti.dag_id,
        "run_id": ti.run_id,
        "run_type": run_type(context),
        "started_at": (dag_run.start_date or datetime.now(tz=UTC)).isoformat(),
    }
    record_run(make_warehouse(context), row)
    return row
