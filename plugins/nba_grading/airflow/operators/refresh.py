"""The operator of aggregate_performance: it asks what is stale and replaces that, whatever event has started the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nba_grading.airflow.context import make_warehouse
from nba_grading.airflow.errors import fail_for_good
from nba_grading.airflow.operators.check import pass_circuit_breaker
from nba_grading.airflow.operators.write import GuardedWriteOperator
from nba_grading.airflow.run_record import store_records

if TYPE_CHECKING:
    from datetime import date

    from airflow.sdk import Context

    from nba_grading.guarded_write.work import WriteReport, WriteRequest


class RefreshAggregatesOperator(GuardedWriteOperator):
    """Replaces every stale partition of the aggregates, table after table: the periods are made from the days of players.

    A partition whose lease is held, or that is refused, keeps the tables after it waiting. Resumed or tried again, the task asks anew what
    is stale. Returns how many partitions of each table it has written.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(operation="daily_performance", work="nba_grading.pipelines.aggregate:refresh", success="aggregated", **kwargs)
        self._versions: Mapping[date, int] = {}
        self._records: list[dict[str, Any]] = []

    def execute(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, int]:
        """Ask what is stale, and write it."""
        from nba_grading.pipelines.aggregate import AGGREGATES, find_stale

        self._records = []
        if event is None:
            pass_circuit_breaker(context, "daily_performance")
        with fail_for_good():
            stale = find_stale(make_warehouse(context))
        # Not those that the event says are written: what is stale now has to be written, again or not.
        waited = {name: value for name, value in (event or {}).items() if name != "written"}
        written = {}
        try:
            for table in AGGREGATES:
                self.operation, self._versions = table.operation, stale.get(table.name, {})
                written[table.name] = len(self.write_all(context, list(self._versions), waited))
        finally:
            store_records(context, self.operation, self._records, self._started_at)
        return written

    def settle(self, context: Context, warehouse: Any, facts: list[dict[str, Any]], report: WriteReport) -> None:
        """Keep the records of the published partitions until all tables are done: one statement for all. Raises why one was refused."""
        about = {"operation": self.operation, "outcome": self.success, "started_at": self._started_at}
        self._records += [{**each, **about} for each in facts]
        with fail_for_good():
            report.raise_refused()

    def request(self, context: Context, grading_run_id: str) -> WriteRequest:
        """The request has the versions that make the partitions fresh."""
        from nba_grading.guarded_write.work import WriteRequest

        return WriteRequest(grading_run_id, params={"versions": self._versions})
