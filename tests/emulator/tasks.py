"""The tasks of the DAGs that write, without Airflow: the functions that their operators call, in the operators' order, under real leases."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from nba_grading.guarded_write.work import GuardedWork, WriteRequest
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.pipelines import aggregate as aggregates
from nba_grading.pipelines import consolidate as consolidation
from nba_grading.pipelines import grade as grading
from nba_grading.pipelines import repair as repairs
from nba_grading.pipelines import staging_cleanup
from nba_grading.quality.after_write import find_duplicates
from nba_grading.runs.record import COLUMN_TYPES, record_run
from nba_grading.warehouse.tables import REPAIRABLE
from proofs.fault_injection import FaultyWarehouse


@dataclass
class Desk:
    """What a task works with: its clients, and the run's parameters with what the tasks before it left in XCom."""

    warehouse: FaultyWarehouse
    leases: LeaseManager
    params: Mapping[str, Any]

    def day(self, name: str = "game_date") -> date:
        return date.fromisoformat(self.params[name])

    def write(self, operation: str, day: date, work: GuardedWork, **params: Any) -> dict[str, Any]:
        """As GuardedWriteOperator does: claim the date, write it, release the claim."""
        with self.leases.acquire(LeaseKey(operation, day), {"run_id": "run"}) as claim:
            request = WriteRequest(uuid.uuid4().hex, max_shrink=0.2, params=params)
            report = work(self.warehouse, claim, request)
        return {"grading_run_id": request.grading_run_id, "holder_id": claim.holder_id, **report.as_facts()}

    def write_each(self, operation: str, days: Sequence[date], work: GuardedWork, outcome: str, recorded_as: str, **params: Any) -> None:
        """As GuardedBatchOperator does: each date written and recorded before the next."""
        for day in days:
            started_at = datetime.now(tz=UTC)
            counts = self.write(operation, day, work, **params)
            row = {name: value for name, value in counts.items() if name in COLUMN_TYPES}
            record_run(self.warehouse, {**row, "operation": recorded_as, "game_date": day, "started_at": started_at, "outcome": outcome})


def grade(desk: Desk) -> None:
    desk.write("grading", desk.day(), grading.grade_date)


def plan_and_back_up(desk: Desk) -> None:
    """The first two tasks of remove_duplicates."""
    table = REPAIRABLE[desk.params["table"]]
    plan = repairs.plan_repair(desk.warehouse, table, desk.day("from_date"), desk.day("to_date"))
    assert [str(each.game_date) for each in plan] == desk.params["planned"]
    repairs.create_backup(desk.warehouse, table, desk.params["backup"], keep_days=90)


def remove_duplicates(desk: Desk) -> None:
    """The last task of remove_duplicates."""
    table = REPAIRABLE[desk.params["table"]]
    planned = [date.fromisoformat(day) for day in desk.params["planned"]]
    still = {each.game_date for each in repairs.plan_repair(desk.warehouse, table, planned[0], planned[-1])}
    days = [day for day in planned if day in still]
    desk.write_each(table.operation, days, repairs.remove_duplicates, "repaired", "maintenance")
    assert not [finding for day in planned for finding in find_duplicates(desk.warehouse, table, day)]
    repairs.resolve_repaired(desk.warehouse, table, desk.day("from_date"), desk.day("to_date"))


def restore(desk: Desk) -> None:
    table, backup = REPAIRABLE[desk.params["table"]], desk.params["backup"]
    first, last = desk.day("from_date"), desk.day("to_date")
    repairs.check_backup(desk.warehouse, table, backup)
    held, now = (repairs.rows_by_date(desk.warehouse, name, first, last) for name in (backup, table.name))
    days = sorted(held.keys() | now.keys())
    desk.write_each(table.operation, days, repairs.restore_date, "repaired", "maintenance", backup=backup)


def consolidate(desk: Desk) -> None:
    desk.write("consolidation", desk.day(), consolidation.consolidate_date, batch_id=desk.params["batch_id"])


def aggregate_day(desk: Desk) -> None:
    desk.write("daily_performance", desk.day(), aggregates.aggregate_day)


def aggregate_periods(desk: Desk) -> None:
    stale = aggregates.find_stale_periods(desk.warehouse, desk.day())
    desk.write_each("performance_summary", stale, aggregates.aggregate_periods, "aggregated", "performance_summary")


def clean_staging(desk: Desk) -> None:
    judged = staging_cleanup.judge_staging_tables(desk.warehouse, older_than_days=0)
    staging_cleanup.drop_staging_tables(desk.warehouse, judged)


TASKS: dict[str, Callable[[Desk], None]] = {
    task.__name__: task
    for task in (grade, plan_and_back_up, remove_duplicates, restore, consolidate, aggregate_day, aggregate_periods, clean_staging)
}
