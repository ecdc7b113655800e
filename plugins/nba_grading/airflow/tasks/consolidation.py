"""The task after the guarded write of consolidate_predictions: check the date, and announce it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nba_grading.airflow.assets import PREDICTIONS
from nba_grading.airflow.context import make_warehouse
from nba_grading.airflow.errors import fail_for_good
from nba_grading.airflow.tasks.validate import conclude, settle_findings
from nba_grading.alerts import messages as alerts
from nba_grading.game_dates import parse_game_date

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


def validate_consolidated_date(context: Context, game_date: str, reported: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Check the date that a batch was just merged into, alert on findings, and announce its predictions. ``reported`` has its facts.

    Returns as ``validate.validate_written_date``; raises AirflowFailException on duplicates if GRADING_ON_DUPLICATES is fail.
    """
    from nba_grading.pipelines.consolidate import validate_consolidation
    from nba_grading.warehouse.tables import PLAYER_PROP_PREDICTIONS

    [facts] = reported
    warehouse, day = make_warehouse(context), parse_game_date(game_date)
    with fail_for_good():
        findings = validate_consolidation(warehouse, day, facts)
    counts = "{tables} tables, {batch_rows} rows with {batch_keys} keys, {new_keys} of them new".format(**facts)
    settled = settle_findings(
        context, warehouse, PLAYER_PROP_PREDICTIONS, {day: findings}, alert=alerts.findings_after_consolidation, counts={day: counts}
    )
    collapsed = f", {facts['collapsed']} surplus rows of the date collapsed" if facts["collapsed"] else ""
    summary = f"batch {context['params']['batch_id']}: {counts}; {facts['dropped']} tables dropped{collapsed}"
    return conclude(context, settled, day, PREDICTIONS, summary)
