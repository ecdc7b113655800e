"""The tasks behind a guarded write: validate the date, settle what was found, record the run."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from nba_grading import alerts
from nba_grading.airflow_context import make_warehouse, run_facts, run_link
from nba_grading.dag_defaults import GRADES
from nba_grading.events import log_event
from nba_grading.settings import get_settings
from nba_grading.slack_message import condition_name
from nba_grading.task_errors import RESULT_KEY, AlreadyTold, fail_for_good
from nba_grading.telling import recover, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk import Asset, Context

    from nba_grading.slack_message import Alert
    from nba_grading.tables import Table
    from nba_grading.validation import Finding
    from nba_grading.warehouse import Warehouse

log = logging.getLogger(__name__)

REPAIR_DAG = "remove_duplicates"


def validate_written_date(context: Context, game_date: str, reported: dict[str, Any]) -> list[dict[str, Any]]:
    """Check a date that was just written, tell Slack what was found, and announce the date to consumers of the asset.

    Returns the params of the runs of remove_duplicates that are to repair it by themselves: one, or none. Raises AirflowFailException on
    findings of severity fail, duplicates by setting.
    """
    from nba_grading.tables import PREDICTION_ACCURACY
    from nba_grading.validation import validate_date

    warehouse = make_warehouse(context)
    with fail_for_good():
        findings = validate_date(warehouse, date.fromisoformat(game_date), reported)
    counts = ", ".join(f"{reported[name]} {name}" for name in ("graded", "voided", "pending"))
    return settle_findings(
        context, warehouse, PREDICTION_ACCURACY, game_date, findings, alert=alerts.findings_after_write, counts=counts, asset=GRADES
    )


def settle_findings(
    context: Context,
    warehouse: Warehouse,
    table: Table,
    game_date: str,
    findings: Sequence[Finding],
    *,
    alert: Callable[..., Alert],
    counts: str,
    asset: Asset,
    done: str | None = None,
) -> list[dict[str, Any]]:
    """What follows a validation: report, Slack, the audit of duplicates, and the asset's event, or a failure on findings of severity fail.

    ``alert`` makes the alert of the findings. What was found of the date before, and is not found any more, has recovered. ``done`` begins
    the detail of the run's record. Returns as ``validate_written_date``.
    """
    from nba_grading.validation import record_duplicates

    link, surplus = run_link(context), sum(finding.surplus_rows for finding in findings)
    told = "; ".join(f"{finding.check}: {finding.sentence}" for finding in findings)
    context["ti"].xcom_push(key=RESULT_KEY, value={"duplicates": surplus, "detail": "; ".join(part for part in (done, told) if part) or None})
    repairs = small_repairs(table, {game_date: surplus})
    found = set()
    if findings:
        made = alert(link, table=table, game_date=game_date, findings=findings, counts=counts, repaired_by=REPAIR_DAG if repairs else None)
        tell(context, made)
        found = {made.name}
    recover(context, sorted(set(alerts.finding_conditions(table, game_date)) - found), f"{link.dag_id} wrote the date again ({counts}).")
    if surplus:
        with fail_for_good():
            record_duplicates(warehouse, table, date.fromisoformat(game_date), processor=table.operation, investigation_url=link.url)
    fatal = [f for f in findings if f.severity == "fail" and (f.check != "duplicate_keys" or get_settings().grading_on_duplicates == "fail")]
    if fatal:
        raise AlreadyTold(f"{game_date}: {told}")
    context["outlet_events"][asset].add_partitions(game_date)
    return repairs


def small_repairs(table: Table, surplus_rows: Mapping[str, int]) -> list[dict[str, Any]]:
    """The params of the runs of remove_duplicates for the dates whose surplus rows are few enough to go without a person's approval."""
    most = get_settings().grading_auto_repair_rows
    return [
        {"table": table.name, "from_date": day, "to_date": day, "dry_run": False, "auto_approve": True}
        for day, rows in surplus_rows.items()
        if 0 < rows <= most
    ]


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
            killed = alerts.task_failed(run_link(context), game_date=facts.get("game_date"), task_id="of the run", tries=1, error=facts["detail"])
            tell(context, killed)
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
    if row["outcome"] == success:
        _tell_success(context, row)
    elif row["outcome"] == "failed":
        _count_failure(context, warehouse, row)
    return row


def _tell_success(context: Context, row: dict[str, Any]) -> None:
    dag_id, operation = context["ti"].dag_id, row["operation"]
    names = alerts.closed_by_success(dag_id, row.get("game_date"), leased=bool(row.get("leased")))
    breaker = condition_name(alerts.BREAKER_OPENED, operation)
    if breaker in recover(context, [*names, breaker], f"A run of {dag_id} has succeeded, for {row.get('game_date')}."):
        log_event(log, "breaker_closed", operation=operation, game_date=row.get("game_date"))


def _count_failure(context: Context, warehouse: Warehouse, row: dict[str, Any]) -> None:
    from nba_grading.breaker import failures_that_open

    settings, operation = get_settings(), row["operation"]
    limit, pause_s = settings.grading_breaker_failures, settings.grading_breaker_seconds
    with fail_for_good():
        failures = failures_that_open(warehouse, operation, failures_to_open=limit)
    if failures:
        error = str(row.get("detail") or "see the log of the run")
        tell(context, alerts.breaker_opened(run_link(context), operation=operation, failures=failures, limit=limit, pause_s=pause_s, error=error))
