"""The task after a guarded write: check the date, alert on findings, and announce the date to the DAGs that follow."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from nba_grading.airflow.assets import GRADES
from nba_grading.airflow.context import make_warehouse, run_link
from nba_grading.airflow.errors import AlreadyAlerted, fail_for_good
from nba_grading.airflow.notify import raise_alert, resolve
from nba_grading.airflow.run_record import leave_facts
from nba_grading.alerts import messages as alerts
from nba_grading.game_dates import parse_game_date
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
    """Check a date that was just written, alert on findings, and announce the date to consumers of the asset.

    Returns the params of the runs of remove_duplicates that repair it without approval: one, or none. Raises AirflowFailException on
    findings of severity fail; whether duplicates are among those is a setting.
    """
    from nba_grading.quality.after_write import validate_date
    from nba_grading.warehouse.tables import PREDICTION_ACCURACY

    warehouse, written_date = make_warehouse(context), parse_game_date(game_date)
    with fail_for_good():
        findings = validate_date(warehouse, written_date, reported)
    counts = ", ".join(f"{reported[name]} {name}" for name in ("graded", "voided", "pending"))
    return settle_findings(
        context, warehouse, PREDICTION_ACCURACY, written_date, findings, alert=alerts.findings_after_write, counts=counts, asset=GRADES
    )


def settle_findings(
    context: Context,
    warehouse: Warehouse,
    table: Table,
    game_date: date,
    findings: Sequence[Finding],
    *,
    alert: Callable[..., Alert],
    counts: str,
    asset: Asset,
    summary: str | None = None,
) -> list[dict[str, Any]]:
    """Act on the findings of a date: record them, alert, write the audit of duplicates, then announce the date or fail.

    ``alert`` makes the alert of the findings. Incidents of earlier findings that are gone are resolved. ``summary`` begins the detail
    of the run's record. Returns and raises as ``validate_written_date``.
    """
    from nba_grading.quality.after_write import record_duplicates

    link, surplus = run_link(context), sum(finding.surplus_rows for finding in findings)
    sentences = "; ".join(f"{finding.check}: {finding.sentence}" for finding in findings)
    leave_facts(context, duplicates=surplus, detail="; ".join(part for part in (summary, sentences) if part) or None)
    repairs = small_repairs(table, {game_date: surplus})
    found = set()
    if findings:
        made = alert(link, table=table, game_date=game_date, findings=findings, counts=counts, repaired_by=REPAIR_DAG if repairs else None)
        raise_alert(context, made)
        found = {made.name}
    resolve(context, sorted(set(alerts.finding_incidents(table, game_date)) - found), f"{link.dag_id} wrote the date again ({counts}).")
    if surplus:
        with fail_for_good():
            record_duplicates(warehouse, table, game_date, processor=table.operation, investigation_url=link.url)
    fatal = [f for f in findings if f.severity == "fail" and (f.check != "duplicate_keys" or get_settings().grading_on_duplicates == "fail")]
    if fatal:
        raise AlreadyAlerted(f"{game_date}: {sentences}")
    context["outlet_events"][asset].add_partitions(str(game_date))
    return repairs


def small_repairs(table: Table, surplus_rows: Mapping[date, int]) -> list[dict[str, Any]]:
    """The params of the runs of remove_duplicates for the dates with few enough surplus rows to need no approval."""
    most = get_settings().grading_auto_repair_rows
    return [
        {"table": table.name, "from_date": str(day), "to_date": str(day), "dry_run": False, "auto_approve": True}
        for day, rows in surplus_rows.items()
        if 0 < rows <= most
    ]
