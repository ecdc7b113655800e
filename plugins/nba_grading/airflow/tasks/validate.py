"""The task after a guarded write: check the date, alert on findings, and announce the date to the DAGs that follow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from nba_grading.airflow.assets import GRADES, announce
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


@dataclass(frozen=True)
class Settled:
    """What the findings of some dates led to: the params of repairs without approval, and per date a sentence, surplus rows, and whether it fails."""

    repairs: list[dict[str, Any]]
    details: Mapping[date, str]
    surplus: Mapping[date, int]
    fatal: frozenset[date]


def validate_written_date(context: Context, checked: Mapping[str, Any], reported: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Check the date that was just written, alert on findings, and announce it to consumers of the asset.

    ``checked`` is the result of CheckInputsOperator, ``reported`` has the facts of the write.

    Returns the params of the runs of remove_duplicates that repair it without approval: one, or none. Raises AirflowFailException on
    findings of severity fail; whether duplicates are among those is a setting.
    """
    day = parse_game_date(checked["game_date"])
    settled = settle_grades(context, make_warehouse(context), {day: reported[0]})
    return conclude(context, settled, day, GRADES, checked["missing"])


def settle_grades(context: Context, warehouse: Warehouse, reported: Mapping[date, Mapping[str, Any]]) -> Settled:
    """Check dates of prediction_accuracy that were just written, and act on what is found."""
    from nba_grading.quality.after_write import validate_dates
    from nba_grading.warehouse.tables import PREDICTION_ACCURACY

    with fail_for_good():
        findings = validate_dates(warehouse, reported)
    counts = {day: ", ".join(f"{facts[name]} {name}" for name in ("graded", "voided", "pending")) for day, facts in reported.items()}
    return settle_findings(context, warehouse, PREDICTION_ACCURACY, findings, alert=alerts.findings_after_write, counts=counts)


def settle_findings(
    context: Context,
    warehouse: Warehouse,
    table: Table,
    findings: Mapping[date, Sequence[Finding]],
    *,
    alert: Callable[..., Alert],
    counts: Mapping[date, str],
) -> Settled:
    """Act on the findings of each date: alert, write the audit of duplicates, and resolve the incidents of earlier findings that are gone.

    ``alert`` makes the alert of a date's findings.
    """
    from nba_grading.quality.after_write import record_duplicates

    link = run_link(context)
    surplus = {day: sum(finding.surplus_rows for finding in found) for day, found in findings.items()}
    repairs = small_repairs(table, surplus)
    repaired = {repair["from_date"] for repair in repairs}
    gone = {name for day in findings for name in alerts.finding_incidents(table, day)}
    for day, found in findings.items():
        if found:
            by = REPAIR_DAG if str(day) in repaired else None
            made = alert(link, table=table, game_date=day, findings=found, counts=counts[day], repaired_by=by)
            raise_alert(context, made)
            gone.discard(made.name)
        if surplus[day]:
            with fail_for_good():
                record_duplicates(warehouse, table, day, processor=table.operation, investigation_url=link.url)
    dates = f"{min(findings)}" if len(findings) == 1 else f"{len(findings)} dates from {min(findings)} to {max(findings)}"
    resolve(context, sorted(gone), f"{link.dag_id} wrote {dates} again" + (f" ({counts[min(findings)]})." if len(findings) == 1 else "."))
    details = {day: "; ".join(f"{one.check}: {one.sentence}" for one in found) for day, found in findings.items()}
    return Settled(repairs, details, surplus, frozenset(day for day, found in findings.items() if any(map(_is_fatal, found))))


def conclude(context: Context, settled: Settled, day: date, asset: Asset, summary: str | None = None) -> list[dict[str, Any]]:
    """Leave the facts of the date for its record, and announce it or fail. ``summary`` begins the detail. Returns the repairs."""
    detail = "; ".join(part for part in (summary, settled.details[day]) if part) or None
    leave_facts(context, duplicates=settled.surplus[day], detail=detail)
    if day in settled.fatal:
        raise AlreadyAlerted(f"{day}: {settled.details[day]}")
    announce(context, asset, [day])
    return settled.repairs


def _is_fatal(finding: Finding) -> bool:
    return finding.severity == "fail" and (finding.check != "duplicate_keys" or get_settings().grading_on_duplicates == "fail")


def small_repairs(table: Table, surplus_rows: Mapping[date, int]) -> list[dict[str, Any]]:
    """The params of the runs of remove_duplicates for the dates with few enough surplus rows to need no approval."""
    most = get_settings().grading_auto_repair_rows
    return [
        {"table": table.name, "from_date": str(day), "to_date": str(day), "dry_run": False, "auto_approve": True}
        for day, rows in surplus_rows.items()
        if 0 < rows <= most
    ]
