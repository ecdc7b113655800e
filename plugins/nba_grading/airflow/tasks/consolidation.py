"""The task after the guarded write of consolidate_predictions: check the date, and announce it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nba_grading.airflow.assets import PREDICTIONS
from nba_grading.airflow.context import make_warehouse
from nba_grading.airflow.errors import fail_for_good
from nba_grading.airflow.tasks.validate import settle_findings
from nba_grading.alerts import messages as alerts
from nba_grading.game_dates import parse_game_date

if TYPE_CHECKING:
    from airflow.sdk import Context


def validate_consolidated_date(context: Context, game_date: str, reported: dict[str, Any]) -> list[dict[str, Any]]:
    """Check a date that a batch was just merged into, alert on findings, and announce its predictions.

    Returns as ``validate.validate_written_date``; raises AirflowFailException on duplicates if GRADING_ON_DUPLICATES is fail.
    """
    from nba_grading.pipelines.consolidate import validate_consolidation
    from nba_grading.warehouse.tables import PLAYER_PROP_PREDICTIONS

    warehouse, written_date = make_warehouse(context), parse_game_date(game_date)
    with fail_for_good():
        findings = validate_consolidation(warehouse, written_date, reported)
    counts = "{tables} tables, {batch_rows} rows with {batch_keys} keys, {new_keys} of them new".format(**reported)
    merged = f"batch {context['params']['batch_id']}: {counts}; {reported['dropped']} tables dropped"
    collapsed = f", {reported['collapsed']} surplus rows of the date collapsed" if reported["collapsed"] else ""
    return settle_findings(
        context,
        warehouse,
        PLAYER_PROP_PREDICTIONS,
        written_date,
        findings,
        alert=alerts.findings_after_consolidation,
        counts=counts,
        asset=PREDICTIONS,
        summary=merged + collapsed,
    )
