"""The tasks of remove_duplicates and restore_from_backup: plan, back up, ask, write date by date under each date's lease."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowSkipException

from nba_grading.airflow.context import make_warehouse
from nba_grading.airflow.errors import fail_for_good
from nba_grading.airflow.notify import resolve, task_incidents
from nba_grading.airflow.params import _range_of, _table_of
from nba_grading.events import get_logger
from nba_grading.settings import get_settings
from nba_grading.warehouse.tables import REPAIRABLE

if TYPE_CHECKING:
    from airflow.sdk import Context

log = get_logger(__name__)


class ApprovalUnlessAutomated(ApprovalOperator):
    """Asks a person in the UI, without a worker slot; no answer is a no. The run's parameter auto_approve answers for it."""

    def execute(self, context: Context) -> Any:
        """Nothing when auto_approve is on."""
        if context["params"].get("auto_approve"):
            log.info("approved_by_parameter", parameter="auto_approve")
            return None
        return super().execute(context)


def approval_timeout() -> timedelta:
    """How long a person has to answer."""
    return timedelta(hours=get_settings().grading_approval_hours)


def plan_duplicates(context: Context) -> dict[str, Any]:
    """What would go: table, dates (game_date, rows, keys, duplicates each) and their sum. Changes nothing."""
    from nba_grading.pipelines.repair import plan_repair, told

    table, (first, last) = _table_of(context), _range_of(context)
    with fail_for_good():
        plan = plan_repair(make_warehouse(context), table, first, last)
    for each in plan:
        log.info("duplicates_planned", table=table.name, **vars(each))
    return {"table": table.name, "dates": told(plan), "duplicates": sum(each.surplus_rows for each in plan)}


def back_up_table(context: Context, plan: dict[str, Any]) -> dict[str, Any]:
    """Name and rows of the snapshot; skipped, with all that follows, for a dry run or a range that is right."""
    from nba_grading.pipelines.repair import backup_name, create_backup, resolve_repaired

    if not plan["dates"]:
        if not context["params"]["dry_run"]:
            with fail_for_good():
                resolve_repaired(make_warehouse(context), REPAIRABLE[plan["table"]], *_range_of(context))
        # Without duplicates nothing is left to do for an earlier run of the same range that failed.
        resolve(context, task_incidents(context, context["dag"].task_ids), f"{plan['table']} holds no duplicate key in the range.")
        raise AirflowSkipException(f"{plan['table']} holds no duplicate key in the range: nothing to remove")
    if context["params"]["dry_run"]:
        raise AirflowSkipException(
            f"a dry run: {plan['duplicates']} rows on {len(plan['dates'])} date(s) would go; set dry_run to false to remove them"
        )
    name = backup_name(REPAIRABLE[plan["table"]], context["dag_run"].start_date or datetime.now(tz=UTC))
    with fail_for_good():
        return {"backup": name, "rows": create_backup(make_warehouse(context), REPAIRABLE[plan["table"]], name)}
