"""The tasks behind a guarded write: validate the date, settle what was found, record the run."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from nba_grading.airflow.assets import GRADES
from nba_grading.airflow.context import make_warehouse, run_link
from nba_grading.airflow.errors import RESULT_KEY, AlreadyAlerted, fail_for_good
from nba_grading.airflow.notify import raise_alert, resolve
from nba_grading.alerts import messages as alerts
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk import Asset, Context

    from nba_grading.alerts.model import Alert
    from nba_grading.quality.after_write import Finding
    from nba_grading.warehouse.client import Warehouse
    from nba_grading.warehouse.tables import Table


REPAIR_DAG = "remove_duplicates"


def validate_written_date(context: Context, game_date: str, reported: dict[str, Any]) -> list[dict[str, Any]]:
    """Check a date that was just written, tell Slack what was found, and announce the date to consumers of the asset.

    Returns the params of the runs of remove_duplicates that are to repair it by themselves: one, or none. Raises AirflowFailException on
    findings of severity fail, duplicates by setting.
    """
    from nba_grading.quality.after_write import validate_date
    from nba_grading.warehouse.tables import PREDICTION_ACCURACY

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
    from nba_grading.quality.after_write import record_duplicates

    link, surplus = run_link(context), sum(finding.surplus_rows for finding in findings)
    told = "; ".join(f"{finding.check}: {finding.sentence}" for finding in findings)
    context["ti"].xcom_push(key=RESULT_KEY, value={"duplicates": surplus, "detail": "; ".join(part for part in (done, told) if part) or None})
    repairs = small_repairs(table, {game_date: surplus})
    found = set()
    if findings:
        made = alert(link, table=table, game_date=game_date, findings=findings, counts=counts, repaired_by=REPAIR_DAG if repairs else None)
        raise_alert(context, made)
        found = {made.name}
    resolve(context, sorted(set(alerts.finding_incidents(table, game_date)) - found), f"{link.dag_id} wrote the date again ({counts}).")
    if surplus:
        with fail_for_good():
            record_duplicates(warehouse, table, date.fromisoformat(game_date), processor=table.operation, investigation_url=link.url)
    fatal = [f for f in findings if f.severity == "fail" and (f.check != "duplicate_keys" or get_settings().grading_on_duplicates == "fail")]
    if fatal:
        raise AlreadyAlerted(f"{game_date}: {told}")
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
