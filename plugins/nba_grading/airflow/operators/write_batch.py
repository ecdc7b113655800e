"""The operator that writes several dates in one task, each under its own lease: most of these writes take less time than starting a task."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from nba_grading.airflow.context import make_warehouse
from nba_grading.airflow.errors import fail_for_good
from nba_grading.airflow.operators.write import GuardedWriteOperator, load_function
from nba_grading.airflow.run_record import store_record
from nba_grading.events import get_logger
from nba_grading.game_dates import parse_game_date

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nba_grading.guarded_write.claim import UnleasedClaim

log = get_logger(__name__)


class GuardedBatchOperator(GuardedWriteOperator):
    """GuardedWriteOperator for the dates that ``find_dates`` (``module:function`` of a warehouse and the game_date) returns, in their order.

    A subclass may find them in another way. Each date is claimed, written and recorded in grading_runs with the outcome ``success``
    before the next. A deferred wait for a lease keeps the dates before it, and the task continues with the others. So does a retry
    after a failure, with the dates that it finds then. Returns how many there were. ``recorded_as`` is the operation in the record, if
    it is not the lease's.
    """

    date_known_at_start = False

    def __init__(self, *, success: str, find_dates: str = "", recorded_as: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.find_dates, self.success, self.recorded_as = find_dates, success, recorded_as
        self._has_alerted_unleased = False

    def execute(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Find the dates and write each that is not written yet."""
        with fail_for_good():
            found = self.find(context)
        written: list[str] = list((event or {}).get("written", ()))
        left = [day for day in found if str(day) not in written]
        for number, day in enumerate(left, start=1):
            started_at = datetime.now(tz=UTC)
            claim, lease_wait_ms = self._claim_or_defer(context, day, event or {}, written)
            facts = self._write(context, claim, lease_wait_ms)
            store_record(context, self.recorded_as or self.operation, {**facts, "game_date": day, "outcome": self.success}, started_at)
            written.append(str(day))
            log.info("date_written", task=self.task_id, game_date=day, number=number, of=len(left))
        return {"dates": len(written)}

    def find(self, context: Context) -> list[date]:
        """The dates to write, in order."""
        found: list[date] = load_function(self.find_dates)(make_warehouse(context), parse_game_date(self.game_date))
        return found

    def _alert_unleased(self, context: Context, claim: UnleasedClaim) -> None:
        """One alert for all dates of the task."""
        if not self._has_alerted_unleased:
            super()._alert_unleased(context, claim)
        self._has_alerted_unleased = True

    def _leave_facts(self, context: Context, **facts: Any) -> None:
        """Leave only why the run stops: the ids and counts in the run's own record are those of another task."""
        reason = {name: facts[name] for name in ("outcome", "detail") if facts.get(name)}
        if reason:
            super()._leave_facts(context, **reason)
