"""The tasks of consolidate_predictions around its guarded write: a look at the batch before it, and the checks after it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from nba_grading.airflow.assets import PREDICTIONS
from nba_grading.airflow.context import make_warehouse
from nba_grading.airflow.errors import fail_for_good
from nba_grading.airflow.tasks.validate import settle_findings
from nba_grading.alerts import messages as alerts

if TYPE_CHECKING:
    from airflow.sdk import Context


def validate_consolidated_date(context: Context, game_date: str, reported: dict[str, Any]) -> list[dict[str, Any]]:
    """Check a date that a batch was just merged into, tell Slack what was found, and announce that the date's predictions are in.

    Returns as ``run_tasks.validate_written_date``; raises AirflowFailException on duplicates where GRADING_ON_DUPLICATES is fail.
    """
    from nba_grading.pipelines.consolidate import validate_consolidation
    from nba_grading.warehouse.tables import PLAYER_PROP_PREDICTIONS

    warehouse = make_warehouse(context)
    with fail_for_good():
        findings = validate_consolidation(warehouse, date.fromisoformat(game_date), reported)
    counts = "{tables} tables, {batch_rows} rows with {batch_keys} keys, {new_keys} of them new".format(**reported)
    merged = f"batch {context['params']['batch_id']}: {counts}; {reported['dropped']} tables dropped"
    collapsed = f", {reported['collapsed']} surplus rows of the date collapsed" if reported["collapsed"] else ""
    return settle_findings(
        context,
        warehouse,
        PLAYER_PROP_PREDICTIONS,
        game_date,
        findings,
        alert=alerts.findings_after_consolidation,
        counts=counts,
        asset=PREDICTIONS,
        done=merged + collapsed,
    )
