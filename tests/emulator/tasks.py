"""The tasks of the DAGs that write, without Airflow: the functions that their operators call, in the operators' order, under real leases."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from nba_grading.guarded_write.claim import claim_dates
from nba_grading.guarded_write.publish import MOST_DATES
from nba_grading.guarded_write.work import GuardedWork, WriteRequest
from nba_grading.leases.manager import LeaseManager
from nba_grading.pipelines import aggregate as aggregates
from nba_grading.pipelines import consolidate as consolidation
from nba_grading.pipelines import grade as grading
from nba_grading.pipelines import repair as repairs
from nba_grading.pipelines import staging_cleanup
from nba_grading.quality.after_write import find_duplicates
from nba_grading.runs.record import COLUMN_TYPES, record_runs
from nba_grading.warehouse.tables import REPAIRABLE
from proofs.fault_injection import FaultyWarehouse


@dataclass
class Desk:
    """What a task works with: its clients, and the run's parameters with what the tasks before it left in XCom."""

    warehouse: FaultyWarehouse
    leases: LeaseManager
    params: Mapping[str, Any]

    def days(self, name: str = "dates") -> list[date]:
        return [date.fromisoformat(day) for day in self.params[name]]

    def write(
        self, operation: str, days: Sequence[date], work: GuardedWork, success: str | None = None, recorded_as: str | None = None, **params: Any
    ) -> None:
        """As GuardedWriteOperator does: claim so many dates at once, write them, record what was published, and raise why a date was refused."""
        for start in range(0, len(days), MOST_DATES):
            started_at = datetime.now(tz=UTC)
            claimed, held = claim_dates(lambda: self.leases, operation, days[start : start + MOST_DATES], {"run_id": "run"}, "fail")
            assert not held
            assert claimed
            with claimed:
                request = WriteRequest(uuid.uuid4().hex, max_shrink=0.2, params=params)
                report = work(self.warehouse, claimed, request)
                if success:
                    about = {"grading_run_id": request.grading_run_id, "started_at": started_at, "outcome": success}
                    about["operation"] = recorded_as or operation
                    facts = [report.facts_of(each.game_date) for each in report.written.published]
                    record_runs(self.warehouse, [{**{name: fact[name] for name in COLUMN_TYPES if name in fact}, **about} for fact in facts])
                report.raise_refused()


def grade(desk: Desk) -> None:
    desk.write("grading", desk.days(), grading.grade_dates)


def plan_and_back_up(desk: Desk) -> None:
    """The first two tasks of remove_duplicates."""
    table, days = REPAIRABLE[desk.params["table"]], desk.days()
    plan = repairs.plan_repair(desk.warehouse, table, days[0], days[-1])
    assert [each.game_date for each in plan] == days
    repairs.create_backup(desk.warehouse, table, desk.params["backup"], keep_days=90)


def remove_duplicates(desk: Desk) -> None:
    """The last task of remove_duplicates."""
    table, planned = REPAIRABLE[desk.params["table"]], desk.days()
    still = {each.game_date for each in repairs.plan_repair(desk.warehouse, table, planned[0], planned[-1])}
    days = [day for day in planned if day in still]
    desk.write(table.operation, days, repairs.remove_duplicates, "repaired", "maintenance")
    assert not any(find_duplicates(desk.warehouse, table, planned).values())
    repairs.resolve_repaired(desk.warehouse, table, planned[0], planned[-1])


def restore(desk: Desk) -> None:
    table, backup, planned = REPAIRABLE[desk.params["table"]], desk.params["backup"], desk.days()
    repairs.check_backup(desk.warehouse, table, backup)
    held, now = (repairs.rows_by_date(desk.warehouse, name, planned[0], planned[-1]) for name in (backup, table.name))
    desk.write(table.operation, sorted(held.keys() | now.keys()), repairs.restore_dates, "repaired", "maintenance", backup=backup)


def consolidate(desk: Desk) -> None:
    desk.write("consolidation", desk.days(), consolidation.consolidate_date, batch_id=desk.params["batch_id"])


def refresh(desk: Desk) -> None:
    """As RefreshAggregatesOperator does: one table after another, since the periods are made from the days of players."""
    stale = aggregates.find_stale(desk.warehouse)
    for table in aggregates.AGGREGATES:
        versions = stale.get(table.name, {})
        desk.write(table.operation, list(versions), aggregates.refresh, "aggregated", versions=versions)


def clean_staging(desk: Desk) -> None:
    judged = staging_cleanup.judge_staging_tables(desk.warehouse, older_than_days=0)
    staging_cleanup.drop_staging_tables(desk.warehouse, judged)


TASKS: dict[str, Callable[[Desk], None]] = {
    task.__name__: task for task in (grade, plan_and_back_up, remove_duplicates, restore, consolidate, refresh, clean_staging)
}
