"""The operators of remove_duplicates and restore_from_backup: guarded writes of several dates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from nba_grading.airflow.assets import GRADES, announce
from nba_grading.airflow.context import make_warehouse, run_link
from nba_grading.airflow.errors import ParamsRefused
from nba_grading.airflow.notify import notify_once, resolve
from nba_grading.airflow.operators.write import GuardedWriteOperator
from nba_grading.airflow.params import range_of, table_of
from nba_grading.alerts import messages
from nba_grading.game_dates import parse_game_date
from nba_grading.warehouse.tables import PREDICTION_ACCURACY, Table

if TYPE_CHECKING:
    from airflow.sdk import Context

MAINTENANCE = "maintenance"


class RepairOperator(GuardedWriteOperator):
    """Writes the dates of a repair under the leases of its table's operation; announces the changed dates of the grades.

    The run's parameter ``table`` names the table. A date that is refused fails the repair, with nothing of that date changed.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(operation=MAINTENANCE, recorded_as=MAINTENANCE, success="repaired", outlets=[GRADES], **kwargs)

    def execute(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Returns table, the dates changed, and what ``finish`` adds."""
        table = table_of(context)
        self.operation = table.operation
        self.changed: list[date] = []
        super().execute(context, event)
        if table is PREDICTION_ACCURACY and self.changed:
            announce(context, GRADES, self.changed)
        return {"table": table.name, "changed": [str(day) for day in self.changed], **self.finish(context, table)}

    def finish(self, context: Context, table: Table) -> dict[str, Any]:
        """Called once after all dates are written."""
        return {}


class RemoveDuplicatesOperator(RepairOperator):
    """Removes the duplicates of the planned dates, and checks them again."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(work="nba_grading.pipelines.repair:remove_duplicates", **kwargs)

    def find(self, context: Context) -> list[date]:
        """The planned dates that still hold duplicates: an earlier attempt may have repaired some."""
        from nba_grading.pipelines.repair import plan_repair

        planned = context["ti"].xcom_pull(task_ids="plan")["dates"]
        self.changed = [parse_game_date(each["game_date"]) for each in planned]
        still = {each.game_date for each in plan_repair(make_warehouse(context), table_of(context), self.changed[0], self.changed[-1])}
        return [day for day in self.changed if day in still]

    def finish(self, context: Context, table: Table) -> dict[str, Any]:
        """Fail if a duplicate is left; resolve the findings; report how many rows fewer than in the backup there are."""
        from nba_grading.pipelines.repair import resolve_repaired, rows_by_date
        from nba_grading.quality.after_write import find_duplicates

        warehouse = make_warehouse(context)
        left = [finding for findings in find_duplicates(warehouse, table, self.changed).values() for finding in findings]
        if left:
            raise AirflowFailException(f"there are duplicates again after the repair: {left[0].sentence}; another writer inserts into {table.name}")
        resolve_repaired(warehouse, table, *range_of(context))
        backup = context["ti"].xcom_pull(task_ids="back_up")
        before, after = (rows_by_date(warehouse, name, self.changed[0], self.changed[-1]) for name in (backup["backup"], table.name))
        removed = sum(before.get(day, 0) - after.get(day, 0) for day in self.changed)
        names = [name for day in self.changed for name in messages.finding_incidents(table, day)]
        dates = [str(day) for day in self.changed]
        alert = messages.duplicates_removed(run_link(context), table=table, dates=dates, removed=removed, backup=backup["backup"])
        if not resolve(context, names, f"{alert.title}. {alert.impact} restore_from_backup takes it back."):
            notify_once(context, alert)
        return {"removed": removed, **backup}


class RestoreOperator(RepairOperator):
    """Restores the dates of the range from the backup; leaves out dates that neither the table nor the backup has."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(work="nba_grading.pipelines.repair:restore_dates", work_params=("backup",), **kwargs)

    def find(self, context: Context) -> list[date]:
        """The dates of the range; skipped on a dry run, with what would change."""
        from nba_grading.pipelines.repair import NoSuchBackup, check_backup, rows_by_date

        table, (first, last), backup = table_of(context), range_of(context), str(context["params"]["backup"])
        warehouse = make_warehouse(context)
        try:
            check_backup(warehouse, table, backup)
        except NoSuchBackup as error:
            raise ParamsRefused(str(error)) from None
        held, now = (rows_by_date(warehouse, name, first, last) for name in (backup, table.name))
        self.changed = sorted(held.keys() | now.keys())
        if not self.changed:
            raise AirflowSkipException(f"neither {table.name} nor {backup} has a row from {first} to {last}")
        if context["params"]["dry_run"]:
            plan = [f"{day}: {now.get(day, 0)} rows would become {held.get(day, 0)}" for day in self.changed]
            raise AirflowSkipException("a dry run: " + "; ".join(plan))
        return self.changed
