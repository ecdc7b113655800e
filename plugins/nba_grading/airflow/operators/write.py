"""The operator of a guarded write: claim the date by its lease, or wait for that deferred, then do the work.

Permanent errors fail the task at once, Airflow retries transient ones; see ``errors.fail_for_good``. Google's libraries are imported
when a task runs, not when a DAG file is parsed: that import costs seconds for each task.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator

from nba_grading.airflow.context import lease_owner, make_leases, make_warehouse, run_link
from nba_grading.airflow.errors import LeaseWaitTimeout, fail_for_good, outcome_of
from nba_grading.airflow.lineage import LineageMixin, TracedWrite, trace
from nba_grading.airflow.metrics import start_metrics
from nba_grading.airflow.notify import alert_lease_store_down, raise_alert
from nba_grading.airflow.params import run_scope, switched_off
from nba_grading.airflow.run_record import leave_facts
from nba_grading.airflow.triggers import LeaseFreeTrigger
from nba_grading.alerts import messages
from nba_grading.events import get_logger
from nba_grading.game_dates import parse_game_date
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nba_grading.guarded_write.claim import UnleasedClaim
    from nba_grading.guarded_write.work import GuardedWork, WriteRequest
    from nba_grading.leases.errors import LeaseHeld
    from nba_grading.leases.lease import Lease

log = get_logger(__name__)

DEFERRAL_GRACE_SECONDS = 120

start_metrics()


class GuardedWriteOperator(LineageMixin, BaseOperator):
    """Write one game_date: claim it by the lease of ``operation``, or wait for that deferred, then do ``work``.

    ``work`` names a GuardedWork, ``module:function``, so that parsing a DAG file does not import Google's libraries. It gets the
    run's parameters named in ``work_params``. ``game_date`` is templated, ISO. Returns the work's counts with grading_run_id,
    holder_id, leased and lease_wait_ms.
    """

    template_fields: Sequence[str] = ("game_date",)

    def __init__(self, *, operation: str, work: str, game_date: str, work_params: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.operation, self.work, self.game_date, self.work_params = operation, work, game_date, work_params

    def execute(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Claim the date, or defer until its lease may be free; then do the work. ``event`` is the trigger's, after a wait."""
        claim, lease_wait_ms = self._claim_or_defer(context, parse_game_date(self.game_date), event or {})
        return self._write(context, claim, lease_wait_ms)

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Try again: the lease may be free, the deadline has passed, or the store does not answer."""
        return self.execute(context, event)

    def _claim_or_defer(
        self, context: Context, game_date: date, event: Mapping[str, Any], written: Sequence[str] = ()
    ) -> tuple[Lease | UnleasedClaim, int]:
        """The claim on a date, and the milliseconds that the run waited for it, if ``event`` ends the wait for this date.

        ``written`` are the dates that the task need not write again when it is resumed.
        """
        from nba_grading.leases.errors import LeaseHeld

        has_waited = event.get("game_date") == str(game_date)
        since: float = event["waiting_since"] if has_waited else time.time()
        waited_s = max(time.time() - since, 0.001) if has_waited else 0.0
        try:
            return self._claim(context, game_date, waited_s), round(waited_s * 1000)
        except LeaseHeld as held:
            self._wait_for_lease(context, held, since, written)

    def _claim(self, context: Context, game_date: date, waited_s: float) -> Lease | UnleasedClaim:
        """The claim on a date; raises LeaseHeld or LeaseStoreUnavailable."""
        from nba_grading.guarded_write.claim import claim_date
        from nba_grading.leases.errors import LeaseStoreUnavailable
        from nba_grading.leases.store import LeaseKey

        try:
            return claim_date(
                make_leases,
                LeaseKey(self.operation, game_date),
                lease_owner(context),
                get_settings().lease_on_unavailable,
                waited_s=waited_s,
                switched_off=switched_off(context),
            )
        except LeaseStoreUnavailable as error:
            self._leave_facts(context, detail=str(error))
            raise

    def _write(self, context: Context, claim: Lease | UnleasedClaim, lease_wait_ms: int) -> dict[str, Any]:
        """Do the work for the claim's date, alert if it has no lease, and release the claim."""
        from nba_grading.guarded_write.claim import UnleasedClaim

        with claim:
            if isinstance(claim, UnleasedClaim):
                self._alert_unleased(context, claim)
            return self._work(context, claim, lease_wait_ms)

    def _alert_unleased(self, context: Context, claim: UnleasedClaim) -> None:
        if claim.switched_off:
            scope, task_id = run_scope(context), self.task_id
            raise_alert(
                context,
                messages.lease_switched_off(run_link(context), scope=scope, task_id=task_id, game_date=claim.key.game_date, reason=claim.reason),
            )
        else:
            alert_lease_store_down(context, claim.reason)

    def _work(self, context: Context, claim: Lease | UnleasedClaim, lease_wait_ms: int) -> dict[str, Any]:
        from nba_grading.guarded_write.claim import UnleasedClaim

        run = {
            "grading_run_id": uuid.uuid4().hex,
            "holder_id": claim.holder_id,
            "fencing_token": claim.fencing_token,
            "leased": claim.leased,
            "unleased_reason": claim.reason if isinstance(claim, UnleasedClaim) else None,
            "lease_wait_ms": lease_wait_ms,
        }
        self._leave_facts(context, **run)
        key = claim.key
        log.info("write_begun", operation=key.operation, game_date=key.game_date, holder=claim.holder_id, grading_run_id=run["grading_run_id"])
        warehouse = make_warehouse(context)
        self._cancel = warehouse.cancel_running
        try:
            with fail_for_good():
                report = load_work(self.work)(warehouse, claim, self._request(context, str(run["grading_run_id"])))
        except Exception as error:
            self._leave_facts(context, **run, **outcome_of(error))
            raise
        trace.append(TracedWrite(str(run["grading_run_id"]), report.published))
        return {**run, **report.as_facts()}

    def _request(self, context: Context, grading_run_id: str) -> WriteRequest:
        from nba_grading.guarded_write.work import WriteRequest

        params = context["params"]
        return WriteRequest(
            grading_run_id=grading_run_id,
            max_shrink=get_settings().grading_max_shrink,
            allow_shrink=bool(params.get("allow_shrink")),
            params={name: params[name] for name in self.work_params},
        )

    def on_kill(self) -> None:
        """Stop the running query when the task is killed; the lease is released by its context, or expires."""
        getattr(self, "_cancel", lambda: None)()

    def _wait_for_lease(self, context: Context, held: LeaseHeld, since: float, written: Sequence[str]) -> NoReturn:
        from nba_grading.leases.manager import timed_out

        key, max_wait_s = held.record.key, get_settings().lease_max_wait_seconds
        waited_s = time.time() - since
        if waited_s >= max_wait_s:
            error = timed_out(held, waited_s)
            self._leave_facts(context, outcome="refused", lease_wait_ms=round(waited_s * 1000), detail=str(error))
            raise LeaseWaitTimeout(waited_s, max_wait_s, str(error))
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

    def _leave_facts(self, context: Context, **facts: Any) -> None:
        leave_facts(context, **facts)


def load_work(path: str) -> GuardedWork:
    """The work named by ``module:function``, imported when it is needed."""
    work: GuardedWork = load_function(path)
    return work


def load_function(path: str) -> Callable[..., Any]:
    """The function named by ``module:function``, imported when it is needed."""
    module, _, name = path.partition(":")
    loaded: Callable[..., Any] = getattr(import_module(module), name)
    return loaded
