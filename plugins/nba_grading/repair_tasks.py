"""The tasks of remove_duplicates and restore_from_backup: plan, back up, ask, write date by date under each date's lease."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from nba_grading import alerts
from nba_grading.airflow_context import make_warehouse, run_link
from nba_grading.batch_operators import GuardedBatchOperator
from nba_grading.dag_defaults import GRADES
from nba_grading.game_dates import GameDateError, parse_range
from nba_grading.settings import get_settings
from nba_grading.tables import PREDICTION_ACCURACY, REPAIRABLE, Table
from nba_grading.task_errors import fail_for_good
from nba_grading.telling import recover, report

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

MAINTENANCE = "maintenance"


class ApprovalUnlessAutomated(ApprovalOperator):
    """Asks a person in the UI, without a worker slot; no answer is a no. The run's parameter auto_approve answers for it."""

    def execute(self, context: Context) -> Any:
        """Nothing when auto_approve is on."""
        if context["params"].get("auto_approve"):
            log.info("approved by the parameter auto_approve")
            return None
        return super().execute(context)


def approval_timeout() -> timedelta:
    """How long a person has to answer."""
    return timedelta(hours=get_settings().grading_approval_hours)


def plan_duplicates(context: Context) -> dict[str, Any]:
    """What would go: table, dates (game_date, rows, keys, duplicates each) and their sum. Changes nothing."""
    from nba_grading.repairs import plan_repair, told

    table, (first, last) = _table_of(context), _range_of(context)
    with fail_for_good():
        plan = plan_repair(make_warehouse(context), table, first, last)
    for each in plan:
        log.info("duplicates_planned table=%s date=%s rows=%d keys=%d duplicates=%d", table.name, *vars(each).values())
    return {"table": table.name, "dates": told(plan), "duplicates": sum(each.surplus_rows for each in plan)}


def back_up_table(context: Context, plan: dict[str, Any]) -> dict[str, Any]:
    """Name and rows of the snapshot; skipped, with all that follows, for a dry run or a range that is right."""
    from nba_grading.repairs import backup_name, create_backup, resolve_repaired

    if not plan["dates"]:
        if not context["params"]["dry_run"]:
            with fail_for_good():
                resolve_repaired(make_warehouse(context), REPAIRABLE[plan["table"]], *_range_of(context))
        raise AirflowSkipException(f"{plan['table']} holds no duplicate key in the range: nothing to remove")
    if context["params"]["dry_run"]:
        raise AirflowSkipException(
            f"a dry run: {plan['duplicates']} rows on {len(plan['dates'])} date(s) would go; set dry_run to false to remove them"
        )
    name = backup_name(REPAIRABLE[plan["table"]], context["dag_run"].start_date or datetime.now(tz=UTC))
    with fail_for_good():
        return {"backup": name, "rows": create_backup(make_warehouse(context), REPAIRABLE[plan["table"]], name)}


class RepairOperator(GuardedBatchOperator):
    """Writes the dates of a repair, each under the lease of its table's operation; announces the changed dates of the grades.

    The run's parameter ``table`` says which. A date that fails stops it, with nothing of that date changed.
    """

    def __init__(self, *, work_params: Sequence[str], **kwargs: Any) -> None:
        super().__init__(
            operation=MAINTENANCE, recorded_as=MAINTENANCE, success="repaired", game_date="", work_params=work_params, outlets=[GRADES], **kwargs
        )

    def execute(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Returns table, the dates changed, and what ``finish`` adds."""
        table = _table_of(context)
        self.operation = table.operation
        self.changed: list[date] = []
        super().execute(context, event)
        if table is PREDICTION_ACCURACY and self.changed:
            context["outlet_events"][GRADES].add_partitions([str(day) for day in self.changed])
        return {"table": table.name, "changed": [str(day) for day in self.changed], **self.finish(context, table)}

    def finish(self, context: Context, table: Table) -> dict[str, Any]:
        """What is left to do once all dates are written."""
        return {}


class RemoveDuplicatesOperator(RepairOperator):
    """Removes the duplicates of the planned dates, and looks again."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(work="nba_grading.repairs:write_without_duplicates", work_params=("table",), **kwargs)

    def find(self, context: Context) -> list[date]:
        """The planned dates that still hold duplicates: a try before this one may have repaired some."""
        from nba_grading.repairs import plan_repair

        self.changed = [date.fromisoformat(each["game_date"]) for each in self._plan(context)["dates"]]
        still = {each.game_date for each in plan_repair(make_warehouse(context), _table_of(context), self.changed[0], self.changed[-1])}
        return [day for day in self.changed if day in still]

    def finish(self, context: Context, table: Table) -> dict[str, Any]:
        """Fail if a duplicate is left; note what earlier tries repaired; tell what was removed, and where the backup is."""
        from nba_grading.repairs import resolve_repaired
        from nba_grading.validation import find_duplicates

        warehouse = make_warehouse(context)
        left = [finding for day in self.changed for finding in find_duplicates(warehouse, table, day)]
        if left:
            raise AirflowFailException(f"duplicates are still there after the repair: {left[0].sentence}; somebody else inserts into {table.name}")
        resolve_repaired(warehouse, table, *_range_of(context))
        removed, backup = self._plan(context)["duplicates"], context["ti"].xcom_pull(task_ids="back_up")
        names = [name for day in self.changed for name in alerts.finding_conditions(table, day)]
        told = alerts.duplicates_removed(
            run_link(context), table=table, dates=[str(day) for day in self.changed], removed=removed, backup=backup["backup"]
        )
        if not recover(context, names, f"{told.title}. {told.done} restore_from_backup takes it back."):
            report(context, told)
        return {"removed": removed, **backup}

    @staticmethod
    def _plan(context: Context) -> dict[str, Any]:
        plan: dict[str, Any] = context["ti"].xcom_pull(task_ids="plan")
        return plan


class RestoreOperator(RepairOperator):
    """Brings the dates of the range back from the backup; dates that neither table nor backup has are left alone."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(work="nba_grading.repairs:write_as_backed_up", work_params=("table", "backup"), **kwargs)

    def find(self, context: Context) -> list[date]:
        """The dates of the range; skipped on a dry run, with what would change."""
        from nba_grading.repairs import NoSuchBackup, check_backup, rows_by_date

        table, (first, last), backup = _table_of(context), _range_of(context), str(context["params"]["backup"])
        warehouse = make_warehouse(context)
        try:
            check_backup(warehouse, table, backup)
        except NoSuchBackup as error:
            raise AirflowFailException(str(error)) from None
        held, now = (rows_by_date(warehouse, name, first, last) for name in (backup, table.name))
        self.changed = sorted(held.keys() | now.keys())
        if not self.changed:
            raise AirflowSkipException(f"neither {table.name} nor {backup} has a row from {first} to {last}")
        if context["params"]["dry_run"]:
            plan = [f"{day}: {now.get(day, 0)} rows would become {held.get(day, 0)}" for day in self.changed]
            raise AirflowSkipException("a dry run: " + "; ".join(plan))
        return self.changed


def _table_of(context: Context) -> Table:
    return REPAIRABLE[context["params"]["table"]]


def _range_of(context: Context) -> tuple[date, date]:
    try:
        return parse_range(context["params"]["from_date"], context["params"]["to_date"])
    except GameDateError as error:
        raise AirflowFailException(str(error)) from None
