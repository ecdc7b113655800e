"""The tasks of consolidate_predictions around its guarded write: a look at the batch before it, and the checks after it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from nba_grading import alerts
from nba_grading.airflow_context import make_warehouse
from nba_grading.check_operators import CheckOperator
from nba_grading.dag_defaults import PREDICTIONS
from nba_grading.game_dates import resolve_predicted_date
from nba_grading.run_tasks import settle_findings
from nba_grading.task_errors import fail_for_good

if TYPE_CHECKING:
    from airflow.sdk import Context


class CheckBatchOperator(CheckOperator):
    """Look whether the batch of the run's parameter batch_id can be merged into its game_date; returns the date, its tables and their rows.

    A batch without tables is skipped; one that cannot be merged whole is refused, before anything is touched.
    """

    def resolve_date(self, context: Context) -> date:
        """The parameter game_date: predictions are made before their games, so coming days are allowed."""
        return resolve_predicted_date(context["params"].get("game_date"))

    def look(self, context: Context, game_date: date) -> dict[str, Any]:
        """The names of the batch's tables and the number of their rows."""
        from nba_grading.consolidation import read_batch, staging_prefix

        batch_id = context["params"]["batch_id"]
        batch = read_batch(make_warehouse(context), batch_id, game_date)
        if not batch.tables:
            detail = f"no table {staging_prefix(batch_id)}*: batch {batch_id} wrote none, or all of them are merged already"
            self.skip(context, game_date, "no_staging_tables", detail)
        return {"tables": [table.name for table in batch.tables], "rows": batch.rows}


def validate_consolidated_date(context: Context, game_date: str, reported: dict[str, Any]) -> list[dict[str, Any]]:
    """Check a date that a batch was just merged into, tell Slack what was found, and announce that the date's predictions are in.

    Returns as ``run_tasks.validate_written_date``; raises AirflowFailException on duplicates where GRADING_ON_DUPLICATES is fail.
    """
    from nba_grading.consolidation import validate_consolidation
    from nba_grading.tables import PLAYER_PROP_PREDICTIONS

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
