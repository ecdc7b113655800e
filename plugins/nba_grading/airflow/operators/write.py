"""The operator that writes a date under the guard: its lease, or a deferred wait for it, then the work.

Permanent errors fail the task at once, transient ones by Airflow's retries; see ``task_errors.fail_for_good``.
The google libraries are imported when a task runs, not when a DAG file is parsed: that import costs seconds, per task.
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
from nba_grading.airflow.errors import RESULT_KEY, LeaseWaitTimeout, fail_for_good, outcome_of
from nba_grading.airflow.lineage import LineageMixin, start_lineage
from nba_grading.airflow.metrics import start_metrics
from nba_grading.airflow.notify import alert_lease_store_down, raise_alert
from nba_grading.airflow.params import run_scope, switched_off
from nba_grading.airflow.triggers import LeaseFreeTrigger
from nba_grading.alerts import messages as alerts
from nba_grading.events import get_logger
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nba_grading.guarded_write.claim import UnleasedClaim
    from nba_grading.leases.errors import LeaseHeld
    from nba_grading.leases.lease import Lease

log = get_logger(__name__)

DEFERRAL_GRACE_SECONDS = 120

start_metrics()

start_lineage()


class GuardedWriteOperator(LineageMixin, BaseOperator):
    """Write one game_date under the guard: lease of ``operation``, then ``work``.

    Without a lease where GRADING_USE_LEASE is off and the run's parameter use_lease is not on, or that parameter is off.

    ``work`` names a function, ``module:function``, called with a warehouse, the claim, the date, and keywords grading_run_id,
    max_shrink, allow_shrink and the run's parameters named in ``work_params``; it returns counts for XCom. ``game_date`` is
    templated, ISO. Returns those counts with grading_run_id, holder_id, leased and lease_wait_ms; the same is in XCom ``run`` when
    the work fails.
    """

    template_fields: Sequence[str] = ("game_date",)

    def __init__(self, *, operation: str, work: str, game_date: str, work_params: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.operation, self.work, self.game_date, self.work_params = operation, work, game_date, work_params

    def execute(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Claim the date, or defer until its lease may be free; then do the work. ``event`` is the trigger's, after a wait."""
        claim, lease_wait_ms = self._claim_or_defer(context, date.fromisoformat(self.game_date), event or {})
        return self._write(context, claim, lease_wait_ms)

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Try again after the trigger saw the lease go, the deadline pass, or the store fall silent."""
        return self.execute(context, event)

    def _claim_or_defer(
        self, context: Context, game_date: date, event: Mapping[str, Any], written: Sequence[str] = ()
    ) -> tuple[Lease | UnleasedClaim, int]:
        """The claim on a date, and for how many milliseconds the run waited for it, which ``event`` tells if it was this date's wait.

        ``written`` are the dates that the task need not write again once it is resumed.
        """
        from nba_grading.leases.errors import LeaseHeld

        waited_for = event.get("game_date") == str(game_date)
        since: float = event["waiting_since"] if waited_for else time.time()
        waited_s = max(time.time() - since, 0.001) if waited_for else 0.0
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
            self._report(context, {"detail": str(error)})
            raise

    def _write(self, context: Context, claim: Lease | UnleasedClaim, lease_wait_ms: int) -> dict[str, Any]:
        """Do the work for the claim's date, tell if it goes on without a lease, and give the claim back."""
        from nba_grading.guarded_write.claim import UnleasedClaim

        with claim:
            if isinstance(claim, UnleasedClaim):
                self._tell_unleased(context, claim)
            return self._work(context, claim, claim.key.game_date, lease_wait_ms)

    def _tell_unleased(self, context: Context, claim: UnleasedClaim) -> None:
        if claim.switched_off:
            scope, task_id = run_scope(context), self.task_id
            raise_alert(
                context,
                alerts.lease_switched_off(run_link(context), scope=scope, task_id=task_id, game_date=claim.key.game_date, reason=claim.reason),
            )
        else:
            alert_lease_store_down(context, claim.reason)

    def _work(self, context: Context, claim: Lease | UnleasedClaim, game_date: date, lease_wait_ms: int) -> dict[str, Any]:
        from nba_grading.leases.lease import Lease

        settings = get_settings()
        run = {
            "grading_run_id": uuid.uuid4().hex,
            "holder_id": claim.holder_id,
            "fencing_token": claim.token,
            "leased": claim.leased,
            "unleased_reason": None if isinstance(claim, Lease) else claim.reason,
            "lease_wait_ms": lease_wait_ms,
        }
        self._report(context, run)
        log.info("write_begun", operation=self.operation, game_date=game_date, holder=claim.holder_id, grading_run_id=run["grading_run_id"])
        warehouse = make_warehouse(context)
        self._cancel = warehouse.cancel_running
        if isinstance(claim, Lease):
            claim.on_lost = warehouse.cancel_running
        if claim.taken_over is not None and claim.taken_over.inflight_job:
            warehouse.cancel(claim.taken_over.inflight_job)
        try:
            with fail_for_good():
                counts = load_function(self.work)(
                    warehouse,
                    claim,
                    game_date,
                    grading_run_id=run["grading_run_id"],
                    max_shrink=settings.grading_max_shrink,
                    allow_shrink=bool(context["params"].get("allow_shrink")),
                    **{name: context["params"][name] for name in self.work_params},
                )
        except Exception as error:
            self._report(context, {**run, **outcome_of(error)})
            raise
        return {**run, **counts}

    def on_kill(self) -> None:
        """Stop the running query when the task is killed; the lease is released by its context, or expires."""
        getattr(self, "_cancel", lambda: None)()

    def _wait_for_lease(self, context: Context, held: LeaseHeld, since: float, written: Sequence[str]) -> NoReturn:
        from nba_grading.leases.manager import timed_out

        key, max_wait_s = held.record.key, get_settings().lease_max_wait_seconds
        waited_s = time.time() - since
        if waited_s >= max_wait_s:
            self._give_up(context, timed_out(held, waited_s), waited_s)
        log.info("lease_awaited", operation=key.operation, game_date=key.game_date, waited_s=round(waited_s, 1), held_by=held)
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

    def _give_up(self, context: Context, held: LeaseHeld, waited_s: float) -> NoReturn:
        self._report(context, {"outcome": "refused", "lease_wait_ms": round(waited_s * 1000), "detail": str(held)})
        raise LeaseWaitTimeout(waited_s, get_settings().lease_max_wait_seconds, str(held))

    def _report(self, context: Context, facts: Mapping[str, Any]) -> None:
        context["ti"].xcom_push(key=RESULT_KEY, value=dict(facts))


def load_function(path: str) -> Callable[..., Any]:
    """The function named by ``module:function``, imported when it is needed."""
    module, _, name = path.partition(":")
    loaded: Callable[..., Any] = getattr(import_module(module), name)
    return loaded
