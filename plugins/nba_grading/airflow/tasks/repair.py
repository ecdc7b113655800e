"""The tasks of remove_duplicates before its write: plan, ask a person, and back up right before the change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowSkipException

from nba_grading.airflow.context import make_warehouse
from nba_grading.airflow.errors import fail_for_good
from nba_grading.airflow.notify import resolve, task_incidents
from nba_grading.airflow.params import range_of, table_of
from nba_grading.events import get_logger
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

log = get_logger(__name__)


class ApproveRepairOperator(ApprovalOperator):
    """Asks a person in the UI, without a worker slot; no answer is a no. The run's parameter auto_approve answers for the person.

    Skipped, with all that follows, on a dry run or if there is nothing to remove.
    """

    def execute(self, context: Context) -> Any:
        """None if auto_approve is on; otherwise waits for the answer."""
        plan = context["ti"].xcom_pull(task_ids="plan")
        if not plan["dates"]:
            raise AirflowSkipException(f"{plan['table']} holds no duplicate key in the range: nothing to remove")
        if context["params"]["dry_run"]:
            would_go = f"{plan['duplicates']} rows on {len(plan['dates'])} date(s) would be removed"
            raise AirflowSkipException(f"a dry run: {would_go}; set dry_run to false to remove them")
        if context["params"]["auto_approve"]:
            log.info("approved_by_parameter", parameter="auto_approve")
            return None
        return super().execute(context)


def approval_timeout() -> timedelta:
    """How long a person has to answer."""
    return timedelta(hours=get_settings().grading_approval_hours)


def plan_duplicates(context: Context) -> dict[str, Any]:
    """The rows to be removed: table, dates (game_date, rows, keys, duplicates each) and their sum. Changes no rows.

    Findings about dates of the range without duplicates are marked as resolved, unless it is a dry run.
    """
    from nba_grading.pipelines.repair import as_rows, plan_repair, resolve_repaired

    table, (first, last), warehouse = table_of(context), range_of(context), make_warehouse(context)
    with fail_for_good():
        plan = plan_repair(warehouse, table, first, last)
        if not plan and not context["params"]["dry_run"]:
            resolve_repaired(warehouse, table, first, last)
    if not plan:
        # Nothing is left to do for an earlier run of the same range that failed.
        resolve(context, task_incidents(context, context["dag"].task_ids), f"{table.name} holds no duplicate key in the range.")
    for each in plan:
        log.info("duplicates_planned", table=table.name, **vars(each))
    return {"table": table.name, "dates": as_rows(plan), "duplicates": sum(each.surplus_rows for each in plan)}


def back_up_table(context: Context) -> dict[str, Any]:
    """Name and rows of the snapshot, taken after the approval: a write that came before it is in the backup."""
    from nba_grading.pipelines.repair import backup_name, create_backup

    table, settings = table_of(context), get_settings()
    name = backup_name(table, context["ti"].start_date or datetime.now(tz=UTC))
    with fail_for_good():
        return {"backup": name, "rows": create_backup(make_warehouse(context), table, name, keep_days=settings.grading_backup_days)}
