"""The operator that writes several dates in one task, each under a lease of its own: a task costs seconds, and most of these writes do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from nba_grading.airflow.context import make_warehouse, run_facts
from nba_grading.airflow.errors import fail_for_good
from nba_grading.airflow.operators.write import GuardedWriteOperator, load_function
from nba_grading.events import get_logger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nba_grading.guarded_write.claim import UnleasedClaim

log = get_logger(__name__)


class GuardedBatchOperator(GuardedWriteOperator):
    """GuardedWriteOperator for the dates that ``find_dates`` (``module:function`` of a warehouse and the game_date) returns, in their order.

    A subclass may find them otherwise. Each is claimed, written and recorded in grading_runs with the outcome ``success`` before the
    next. A deferred wait for a lease leaves those before it written, and the task goes on with the others. So does a failure, and a retry
    writes those that it finds then. Returns how many there were. ``recorded_as`` is the operation in the record, where it is not the lease's.
    """

    date_known_at_start = False

    def __init__(self, *, success: str, find_dates: str = "", recorded_as: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.find_dates, self.success, self.recorded_as = find_dates, success, recorded_as
        self._told_unleased = False

    def execute(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Find the dates and write each that is not written yet."""
        with fail_for_good():
            found = self.find(context)
        written: list[str] = list((event or {}).get("written", ()))
        left = [day for day in found if str(day) not in written]
        for number, day in enumerate(left, start=1):
            self._write_and_record(context, day, event or {}, written)
            written.append(str(day))
            log.info("date_written", task=self.task_id, game_date=day, number=number, of=len(left))
        return {"dates": len(written)}

    def find(self, context: Context) -> list[date]:
        """The dates to write, in order."""
        found: list[date] = load_function(self.find_dates)(make_warehouse(context), date.fromisoformat(self.game_date))
        return found

    def _write_and_record(self, context: Context, day: date, event: Mapping[str, Any], written: Sequence[str]) -> None:
        from nba_grading.runs.record import COLUMN_TYPES, record_run

        started_at = datetime.now(tz=UTC)
        claim, lease_wait_ms = self._claim_or_defer(context, day, event, written)
        counts = self._write(context, claim, lease_wait_ms)
        row = {name: value for name, value in counts.items() if name in COLUMN_TYPES}
        with fail_for_good():
            record_run(
                make_warehouse(context),
                {
                    **row,
                    **run_facts(context),
                    "operation": self.recorded_as or self.operation,
                    "game_date": day,
                    "started_at": started_at,
                    "outcome": self.success,
                },
            )

    def _tell_unleased(self, context: Context, claim: UnleasedClaim) -> None:
        """Once for all dates of the task."""
        if not self._told_unleased:
            super()._tell_unleased(context, claim)
        self._told_unleased = True

    def _report(self, context: Context, facts: Mapping[str, Any]) -> None:
        """Only why the run does not go on: the ids and figures of the run's own record are those of another task."""
        told = {name: facts[name] for name in ("outcome", "detail") if facts.get(name)}
        if told:
            super()._report(context, told)
