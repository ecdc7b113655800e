"""The operator of a guarded write: claim the dates by their leases, write those that can be had, and wait deferred for the others.

Permanent errors fail the task at once, Airflow retries transient ones; see ``errors.fail_for_good``. Google's libraries are imported
when a task runs, not when a DAG file is parsed: that import costs seconds for each task.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from nba_grading.airflow.context import lease_owner, make_leases, make_warehouse, run_link
from nba_grading.airflow.errors import LeaseWaitTimeout, fail_for_good, outcome_of
from nba_grading.airflow.lineage import LineageMixin, TracedWrite, trace
from nba_grading.airflow.metrics import start_metrics
from nba_grading.airflow.notify import alert_lease_store_down, raise_alert
from nba_grading.airflow.params import run_scope, switched_off
from nba_grading.airflow.run_record import leave_facts, store_records
from nba_grading.airflow.triggers import LeaseFreeTrigger
from nba_grading.alerts import messages
from nba_grading.events import get_logger
from nba_grading.game_dates import parse_game_date
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nba_grading.guarded_write.claim import ClaimedDates
    from nba_grading.guarded_write.work import GuardedWork, WriteReport, WriteRequest
    from nba_grading.leases.errors import LeaseHeld

log = get_logger(__name__)

DEFERRAL_GRACE_SECONDS = 120
# The same as guarded_write.publish.MOST_DATES, which a test compares: its import would cost each parse of a DAG file seconds.
DATES_A_WRITE = 32

start_metrics()


class GuardedWriteOperator(LineageMixin, BaseOperator):
    """Write game dates: claim them by the leases of ``operation``, do ``work``, and wait deferred for those that are held.

    ``work`` names a GuardedWork, ``module:function``, so that parsing a DAG file does not import Google's libraries. It gets the run's
    parameters named in ``work_params``. ``game_date`` is templated, ISO; a subclass may ``find`` other dates. Returns the facts of each date
    written since the task began or was resumed: the work's counts with grading_run_id, holder_id, leased and lease_wait_ms.

    A date that is refused fails the task, after the others are written. With ``success`` each date is recorded in grading_runs with that
    outcome, under ``recorded_as`` or the operation; without, the run's last task does it.
    """

    template_fields: Sequence[str] = ("game_date",)

    def __init__(
        self,
        *,
        operation: str,
        work: str,
        game_date: str = "",
        work_params: Sequence[str] = (),
        success: str | None = None,
        recorded_as: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.operation, self.work, self.game_date, self.work_params = operation, work, game_date, work_params
        self.success, self.recorded_as = success, recorded_as
        self._has_alerted_unleased = False
        self._started_at = datetime.now(tz=UTC)

    def find(self, context: Context) -> Sequence[date]:
        """The dates to write, in order."""
        return [parse_game_date(self.game_date)]

    def execute(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """Write the dates, or defer until the lease of one may be free. ``event`` is the trigger's, after a wait."""
        with fail_for_good():
            found = self.find(context)
        return self.write_all(context, found, event or {})

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Try again: the lease may be free, the deadline has passed, or the store does not answer."""
        return self.execute(context, event)

    def write_all(self, context: Context, dates: Sequence[date], event: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Write each date that is not among those that ``event`` says are written, so many at once, and then wait for those that are held."""
        self._started_at = datetime.now(tz=UTC)
        written = [str(day) for day in event.get("written", ())]
        left = [day for day in dates if str(day) not in written]
        facts: list[dict[str, Any]] = []
        held: dict[date, LeaseHeld] = {}
        for start in range(0, len(left), DATES_A_WRITE):
            batch = left[start : start + DATES_A_WRITE]
            waits_s = {day: self._waited_s(day, event) for day in batch}
            claimed, held_now = self._claim(context, waits_s)
            held |= held_now
            if claimed:
                facts += self._write(context, claimed, waits_s)
                written += map(str, claimed.dates)
                log.info("dates_written", task=self.task_id, operation=self.operation, done=len(written), of=len(dates), held=len(held))
        while held:
            day = min(held)
            self._wait_for_lease(context, held.pop(day), self._waiting_since(day, event), written)
            written.append(str(day))
        return facts

    def request(self, context: Context, grading_run_id: str) -> WriteRequest:
        """What the work is asked to do."""
        from nba_grading.guarded_write.work import WriteRequest

        params = context["params"]
        return WriteRequest(
            grading_run_id=grading_run_id,
            max_shrink=get_settings().grading_max_shrink,
            allow_shrink=bool(params.get("allow_shrink")),
            params={name: params[name] for name in self.work_params},
        )

    def settle(self, context: Context, warehouse: Any, facts: list[dict[str, Any]], report: WriteReport) -> None:
        """Record the published dates, and raise why a date was refused."""
        if self.success:
            rows = [{**each, "outcome": self.success} for each in facts]
            store_records(context, self.recorded_as or self.operation, rows, self._started_at, warehouse)
        with fail_for_good():
            report.raise_refused()

    def give_up(self, context: Context, day: date, error: LeaseWaitTimeout) -> None:
        """The lease of the date stayed held for the whole wait."""
        self._leave_facts(context, outcome="refused", lease_wait_ms=round(error.waited_s * 1000), detail=error.held_by)
        raise error

    def on_kill(self) -> None:
        """Stop the running query when the task is killed; the leases are released by their context, or expire."""
        getattr(self, "_cancel", lambda: None)()

    def _claim(self, context: Context, waits_s: Mapping[date, float]) -> tuple[ClaimedDates | None, dict[date, LeaseHeld]]:
        """The claims on those dates that can be had, and who holds the others. ``waits_s`` is how long the run has waited for each.

        Raises LeaseStoreUnavailable.
        """
        from nba_grading.guarded_write.claim import claim_dates
        from nba_grading.leases.errors import LeaseStoreUnavailable

        try:
            return claim_dates(
                make_leases,
                self.operation,
                list(waits_s),
                lease_owner(context),
                get_settings().lease_on_unavailable,
                waited_s=waits_s,
                switched_off=switched_off(context),
            )
        except LeaseStoreUnavailable as error:
            self._leave_facts(context, detail=str(error))
            raise

    def _write(self, context: Context, claimed: ClaimedDates, waits_s: Mapping[date, float]) -> list[dict[str, Any]]:
        """Do the work for the claimed dates, alert if one has no lease, and release the claims; returns the facts of each date."""
        with claimed:
            if claimed.unleased and not self._has_alerted_unleased:
                self._alert_unleased(context, claimed)
            return self._work(context, claimed, waits_s)

    def _alert_unleased(self, context: Context, claimed: ClaimedDates) -> None:
        """One alert for all dates of the task."""
        self._has_alerted_unleased, claim = True, claimed.unleased
        assert claim is not None
        if claim.switched_off:
            about: dict[str, Any] = {"scope": run_scope(context), "task_id": self.task_id, "game_date": claim.key.game_date or claimed.dates[0]}
            raise_alert(context, messages.lease_switched_off(run_link(context), **about, reason=claim.reason))
        else:
            alert_lease_store_down(context, claim.reason)

    def _work(self, context: Context, claimed: ClaimedDates, waits_s: Mapping[date, float]) -> list[dict[str, Any]]:
        from nba_grading.guarded_write.claim import UnleasedClaim

        grading_run_id = uuid.uuid4().hex
        runs = {
            day: {
                "grading_run_id": grading_run_id,
                "holder_id": claim.holder_id,
                "fencing_token": claim.fencing_token,
                "leased": claim.leased,
                "unleased_reason": claim.reason if isinstance(claim, UnleasedClaim) else None,
                "lease_wait_ms": round(waits_s[day] * 1000),
            }
            for day, claim in claimed.by_date.items()
        }
        first = runs[claimed.dates[0]]
        self._leave_facts(context, **first)
        about = {"operation": claimed.operation, "dates": len(runs), "game_date": claimed.dates[0], "holder": first["holder_id"]}
        log.info("write_begun", **about, grading_run_id=grading_run_id)
        warehouse = make_warehouse(context)
        self._cancel = warehouse.cancel_running
        try:
            with fail_for_good():
                report = load_work(self.work)(warehouse, claimed, self.request(context, grading_run_id))
            trace.extend(TracedWrite(grading_run_id, each) for each in report.written.published)
            facts = [{**runs[each.game_date], **report.facts_of(each.game_date)} for each in report.written.published]
            self.settle(context, warehouse, facts, report)
        except Exception as error:
            self._leave_facts(context, **first, **outcome_of(error))
            raise
        return facts

    def _waiting_since(self, day: date, event: Mapping[str, Any]) -> float:
        """When the run began to wait for the date, in seconds since 1970."""
        return float(event["waiting_since"]) if event.get("game_date") == str(day) else time.time()

    def _waited_s(self, day: date, event: Mapping[str, Any]) -> float:
        """Seconds that the run has waited for the date, if ``event`` ends a wait for it."""
        return max(time.time() - self._waiting_since(day, event), 0.001) if event.get("game_date") == str(day) else 0.0

    def _leave_facts(self, context: Context, **facts: Any) -> None:
        """Leave the facts for the run's last task; where each date is recorded here, only why the run stops: the rest is of single dates."""
        if self.success:
            facts = {name: facts[name] for name in ("outcome", "detail") if facts.get(name)}
        if facts:
            leave_facts(context, **facts)

    def _wait_for_lease(self, context: Context, held: LeaseHeld, since: float, written: Sequence[str]) -> None:
        """Defer until the lease may be free; gives up, and returns if that does, when the whole wait is over."""
        from nba_grading.leases.manager import timed_out

        key, max_wait_s = held.record.key, get_settings().lease_max_wait_seconds
        waited_s = time.time() - since
        if waited_s >= max_wait_s:
            assert key.game_date is not None
            self.give_up(context, key.game_date, LeaseWaitTimeout(waited_s, max_wait_s, str(timed_out(held, waited_s))))
            return
        log.info("lease_awaited", operation=key.operation, game_date=key.game_date, waited_s=round(waited_s, 1), held_by=str(held))
        self.defer(
            trigger=LeaseFreeTrigger(
                operation=key.operation,
                game_date=str(key.game_date),
                deadline=since + max_wait_s,
                waiting_since=since,
                written=written,
            ),
            method_name="resume",
            # A triggerer that is down must not keep the run waiting for ever.
            timeout=timedelta(seconds=max(since + max_wait_s - time.time(), 0) + DEFERRAL_GRACE_SECONDS),
        )


def load_work(path: str) -> GuardedWork:
    """The work named by ``module:function``, imported when it is needed."""
    module, _, name = path.partition(":")
    loaded: Callable[..., Any] = getattr(import_module(module), name)
    return loaded
